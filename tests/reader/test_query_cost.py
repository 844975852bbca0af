"""Queries of the list and the detail read payloads only on request, and in limited size."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from playhead.local import RestateServer
from playhead.reader import invocation_reader
from playhead.reader.invocation.payloads import MAX_BYTES
from playhead.reader.listing import live
from playhead.reader.reader import Reader
from playhead.restate.client import RestateClient
from playhead.values import json_or_text

from waiting import until_async  # isort: skip

PAYLOAD = re.compile(r"\b(raw|entry_json|value|value_utf8|completion_success_value)\b|\*")
STATUSES = ("running", "backing-off", "ready", "suspended", "paused", "succeeded", "failed",
            "killed", "cancelled", "pending", "scheduled")  # fmt: skip


class Wire(httpx.AsyncHTTPTransport):
    """Transport to the real server that records the SQL of each request."""

    def __init__(self) -> None:
        super().__init__(limits=httpx.Limits(max_keepalive_connections=0))
        self.sql: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/query":
            self.sql.append(json.loads(request.content)["query"])
        return await super().handle_async_request(request)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def reader(restate: RestateServer, wire: Wire) -> Reader:
    return Reader(RestateClient(restate.admin_url, transport=wire), None)


async def test_the_list_reads_no_payload(handlers: Any, reader: Reader, wire: Wire) -> None:
    handlers.finish("every/everything", {"key": "cost"})
    await reader.invocations(limit=50)
    ends = [sql for sql in wire.sql if "FROM sys_journal " in sql]
    assert len(wire.sql) - len(ends) == 2, "ids, then rows by id"
    await reader.invocations(limit=50)
    assert [sql for sql in wire.sql if "FROM sys_journal " in sql] == ends, "remembered"
    assert all(" WHERE id IN (" in sql for sql in ends)
    for status in STATUSES:
        page = await reader.invocations(limit=2, status=status, service="every", text="every")
        if page.rows:
            await reader.invocations(before=page.rows[-1], status=status)
    known = [row.id for row in (await reader.invocations(limit=3)).rows]
    changes = await reader.server_changes([*known, "inv_1" + "0" * 33], newest=5)
    assert changes is not None
    assert changes.modified.keys() == set(known), "deleted ones are left out"
    assert 0 < len(changes.newest) <= 5
    assert len(wire.sql) > 13
    for sql in wire.sql:
        assert not PAYLOAD.search(sql), sql
        plan = handlers.sql(f"EXPLAIN {sql}")
        assert plan, "the server understands the query"
        physical = " ".join(str(row) for row in plan)
        assert not re.search(r"\b(raw|entry_json)\b", physical), physical
    scans = [sql for sql in wire.sql if "sys_invocation " in sql]
    assert scans
    assert all(" WHERE id IN (" in sql for sql in scans), "whole rows only by id"
    await reader.close()


async def test_opening_one_reads_its_payloads_once(
    handlers: Any, reader: Reader, wire: Wire
) -> None:
    id_ = handlers.finish("every/everything", {"key": "cost-detail"})
    found = await reader.invocation(id_)
    assert found is not None
    assert len(found.steps) == 10
    paid = [sql for sql in wire.sql if PAYLOAD.search(sql)]
    assert len(paid) == 1, "one fetch"
    assert f"WHERE id = '{id_}' AND \"index\" IN (" in paid[0]
    wire.sql.clear()
    again = await reader.invocation(id_)
    assert again is not None
    assert again.steps == found.steps
    assert not [sql for sql in wire.sql if PAYLOAD.search(sql)]
    assert all(f"'{id_}'" in sql for sql in wire.sql), "every query goes by id"
    await reader.close()


class Bytes(bytes):
    """Bytes that are counted while they are in memory."""

    number = 0

    def __new__(cls, data: bytes) -> Bytes:
        cls.number += 1
        return super().__new__(cls, data)

    def __del__(self) -> None:
        type(self).number -= 1


async def test_large_payloads_are_read_on_request(
    handlers: Any, reader: Reader, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = MAX_BYTES // 3
    id_ = handlers.finish("every/large", {"count": 4, "size": size})
    found = await reader.invocation(id_)
    assert found is not None
    large = [step for step in found.steps if step.kind == "run"]
    assert [step.truncated for step in large].count(False) == 2
    assert all(step.raw_length and step.raw_length > size for step in large)
    read = [step for step in large if not step.truncated]
    assert sum(step.raw_length or 0 for step in read) <= MAX_BYTES
    assert all(step.output == "x" * size for step in read)
    unread = next(step for step in large if step.truncated)
    assert unread.output is None
    assert unread.notification_index is not None
    assert await reader.payload(id_, unread.notification_index) == "x" * size
    read_payloads = live.LiveInvocations.payloads
    held: list[int] = []

    async def counted(*arguments: Any) -> dict[int, bytes]:
        return {i: Bytes(raw) for i, raw in (await read_payloads(*arguments)).items()}

    def note(text: str) -> Any:
        held.append(Bytes.number)
        return json_or_text(text)

    with monkeypatch.context() as patch:
        patch.setattr(live.LiveInvocations, "payloads", counted)
        patch.setattr(invocation_reader, "json_or_text", note)
        assert await reader.payload(id_, unread.notification_index) == "x" * size
    assert held == [0], "the value can be several times as large as its bytes"
    raw = await reader.raw_entry(id_, unread.notification_index)
    # A larger one is read in another format, which takes less memory.
    monkeypatch.setattr(live, "HEX_BYTES", size)
    asked = len(wire.sql)
    assert await reader.raw_entry(id_, unread.notification_index) == raw
    assert [f"raw_length <= {size}" in sql for sql in wire.sql[asked:]] == [True, False]
    assert await reader.raw_entry(id_, 0)
    assert await reader.raw_entry(id_, 99) is None
    await reader.close()


async def test_reasons_cost_a_bounded_number_of_queries_by_id(
    handlers: Any, reader: Reader, wire: Wire
) -> None:
    done = handlers.finish("every/trivial", None)
    await reader.invocations(limit=5, id_prefix=done)
    without = len(wire.sql)
    ids = [handlers.send("every/naps", None) for _ in range(8)]
    for id_ in ids:
        await handlers.until(id_, "suspended")
    wire.sql.clear()
    page = await reader.invocations(limit=50, status="suspended", text="naps")
    assert {row.waiting.kind for row in page.rows if row.waiting} == {"sleep"}
    assert len(wire.sql) <= without + 1, "one query for all journals"
    assert " FROM sys_journal WHERE id IN (" in wire.sql[-1]
    assert not PAYLOAD.search(wire.sql[-1])
    wire.sql.clear()
    await reader.invocations(limit=50, status="suspended", text="naps")
    assert len(wire.sql) == without, "unchanged rows are not read again"
    await reader.close()


async def test_the_row_of_an_ended_invocation_is_not_read_twice_at_once(
    handlers: Any, restate: RestateServer, reader: Reader, wire: Wire
) -> None:
    """A list reads it when it has ended, and a moment later again, with its figures."""
    id_ = handlers.finish("every/everything", {"key": "twice"})
    (row,) = (await reader.refresh([id_])).rows
    asked = len(wire.sql)
    (again,) = (await reader.refresh([id_], figures=True)).rows
    assert (again.id, again.status, again.cluster) == (row.id, row.status, row.cluster)
    assert not [sql for sql in wire.sql[asked:] if "sys_invocation " in sql]
    assert len((await reader.refresh([id_])).rows) == 1
    async with httpx.AsyncClient(base_url=restate.admin_url) as http:
        (await http.patch(f"/invocations/{id_}/purge")).raise_for_status()

    async def is_deleted() -> bool:
        return not (await reader.refresh([id_])).rows

    await until_async(is_deleted)
    assert not (await reader.refresh([id_], figures=True)).rows, "it was deleted"
