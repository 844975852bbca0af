"""Virtual objects and workflows: state, locks, queues and promises; and edits of the state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from journal_fixtures import Handlers
from playhead.errors import (
    ExportError,
    NotFoundError,
    QueryError,
    RefusedError,
    UnreachableError,
)
from playhead.model import QueuedInvocation
from playhead.reader.reader import Reader
from playhead.restate.client import RestateClient
from playhead.restate.control import Control
from playhead.restate.rows import parse_time
from playhead.restate.state_edit import state_version
from recorded_store import RecordedStore
from waiting import until_async


@pytest.fixture
async def server(handlers: Handlers) -> AsyncIterator[RestateClient]:
    async with RestateClient(handlers.server.admin_url) as found:
        yield found


@pytest.fixture
def reader(server: RestateClient) -> Reader:
    return Reader(server, None)


async def values(reader: Reader, key: str) -> dict[str, bytes]:
    found = await reader.objects.object_state("box", key)
    return {value.key: value.raw for value in found.values}


async def test_objects_have_state_promises_locks_and_queues(
    handlers: Handlers, reader: Reader
) -> None:
    handlers.call("box/kept/put", {"value": {"n": [1, "two"]}})
    handlers.call("flow/kept/run", {"z": 1})
    holder = handlers.send("box/kept/hold", 1)
    await handlers.until(holder, "suspended")
    queued = handlers.send("box/kept/put", {"value": 2})
    try:
        found = await reader.objects.object_state("box", "kept")
        assert [(one.key, one.value, one.size) for one in found.values] == [
            ("note", "text", 6),
            ("value", {"n": [1, "two"]}, len(found.values[1].raw)),
        ]
        assert found.holder == holder
        await until_async(
            lambda: handlers.sql(f"SELECT id FROM sys_inbox WHERE id = '{queued}'"), "queued"
        )
        found = await reader.objects.object_state("box", "kept")
        assert found.queue
        [status] = handlers.sql(
            f"SELECT inboxed_at FROM sys_invocation_status WHERE id = '{queued}'"
        )
        assert found.queue == (QueuedInvocation(queued, parse_time(status["inboxed_at"])),)
        assert found.queue[0].queued_at is not None
        flow = await reader.objects.object_state("flow", "kept")
        assert flow.promises
        assert [(one.name, one.completed, one.value) for one in flow.promises] == [
            ("done", True, "promised")
        ]
        page = await reader.objects.objects(text="X/KEP")
        [row] = page.rows
        assert (row.name, row.keys, row.holder, row.queued, page.total) == (
            "box/kept", 2, holder, 1, 1,
        )  # fmt: skip
        page = await reader.objects.objects(service="flow", text="kept")
        assert [(one.name, one.keys, one.promises) for one in page.rows] == [("flow/kept", 0, 1)]
        assert (await reader.objects.objects(limit=1)).total > 1
    finally:
        url = f"{handlers.server.admin_url}/invocations/{holder}/kill"
        await asyncio.to_thread(httpx.patch, url)


async def test_an_object_that_nobody_has_is_not_found(reader: Reader) -> None:
    with pytest.raises(NotFoundError, match="box/none has no state"):
        await reader.objects.object_state("box", "none")


async def test_the_copy_of_the_store_is_shown_without_a_server(tmp_path: Path) -> None:
    recorded = RecordedStore(tmp_path)
    recorded.state = [
        {"service_name": "box", "service_key": "a/b", "key": "k", "value": b"\xff\x00",
         "value_length": 2},
        {"service_name": "box", "service_key": "c", "key": "", "value": b"1", "value_length": 1},
    ]  # fmt: skip
    reader = recorded.write()
    page = await reader.objects.objects(service="box", text="A/")
    assert [(one.name, one.size, one.queued) for one in page.rows] == [("box/a/b", 2, None)]
    found = await reader.objects.object_state("box", "a/b")
    assert (found.origin, found.holder, found.queue, found.promises) == ("stored", None, None, None)
    assert [one.value for one in found.values] == [b"\xff\x00"]
    assert any("No Restate server answers" in sentence for sentence in found.missing)
    with pytest.raises(UnreachableError):
        await Reader(None, None).objects.objects()


async def test_an_edit_replaces_the_state_that_was_read_only(
    handlers: Handlers, reader: Reader, server: RestateClient
) -> None:
    control = Control(server)
    handlers.call("box/edited/put", {"value": 1})
    before = await values(reader, "edited")
    after = {**before, "value": b'{"two":2}', "ümlaut\n": b"\x00\xff"}
    del after["note"]
    assert await control.replace_state("box", "edited", before, after) == "applied"
    assert await values(reader, "edited") == after
    with pytest.raises(RefusedError, match="nothing was changed"):
        await control.replace_state("box", "edited", before, {})
    assert await values(reader, "edited") == after
    handlers.call("box/edited/put", {"value": 3})
    history = await reader.state_history("box", "edited")
    assert history.unexplained == ("ümlaut\n",)


async def test_the_server_itself_drops_an_edit_of_another_version(
    handlers: Handlers, reader: Reader, server: RestateClient
) -> None:
    handlers.call("box/raced/put", {"value": 1})
    before = await values(reader, "raced")
    stale = state_version({**before, "value": b"0"})
    for version, value in ((stale, b"stale"), (state_version(before), b"new")):
        body = {"object_key": "raced", "version": version, "new_state": {"value": list(value)}}
        await server.change("POST", "/services/box/state", body)
    await _until_value(reader, "raced", {"value": b"new"})


async def test_an_edit_of_a_locked_object_waits_for_the_lock(
    handlers: Handlers, reader: Reader, server: RestateClient
) -> None:
    control = Control(server)
    handlers.call("box/locked/put", {"value": 1})
    holder = handlers.send("box/locked/hold", 1)
    await handlers.until(holder, "suspended")
    before = await values(reader, "locked")
    try:
        done = await control.replace_state("box", "locked", before, {"value": b"2"})
        assert done == "waiting"
        assert await values(reader, "locked") == before
    finally:
        await control.kill(holder)
    await _until_value(reader, "locked", {"value": b"2"})


async def test_a_service_without_state_is_refused(server: RestateClient) -> None:
    with pytest.raises(RefusedError, match="Cannot modify state"):
        await Control(server).replace_state("every", "x", {}, {"a": b"1"})


async def _until_value(reader: Reader, key: str, wanted: dict[str, bytes]) -> None:
    async def has() -> bool:
        return await values(reader, key) == wanted

    await until_async(has, f"box/{key} has {wanted}")


async def test_sql_of_the_server_and_a_file_of_its_rows(reader: Reader, tmp_path: Path) -> None:
    console = reader.console
    assert "last_failure" in (await console.tables("server"))["sys_invocation"]
    sql = "SELECT 'a' AS name, value FROM (VALUES (1), (NULL)) AS t (value)"
    rows = await console.query("server", sql)
    assert rows == [{"name": "a", "value": 1}, {"name": "a"}]
    assert await console.export("server", sql, tmp_path / "rows.csv") == 2
    assert (tmp_path / "rows.csv").read_text() == "name,value\na,1\na,\n"
    assert await console.export("server", sql, tmp_path / "rows.parquet") == 2
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist()[0] == {"name": "a", "value": 1}
    with pytest.raises(ExportError, match="exists already"):
        await console.export("server", sql, tmp_path / "rows.csv")
    with pytest.raises(ExportError, match="no format"):
        await console.export("server", sql, tmp_path / "rows.xls")
    with pytest.raises(QueryError, match="SELEC"):
        await console.query("server", "SELEC")
