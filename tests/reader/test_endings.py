"""Ends by their cause, on a real server: kills, cancellations, and errors that look like them."""

from __future__ import annotations

from typing import Any

import httpx
from playhead.local import RestateServer
from playhead.reader.reader import Reader
from playhead.restate.client import RestateClient
from waiting import until


def child_of(handlers: Any, id_: str) -> str:
    def children() -> list[dict[str, Any]]:
        return handlers.sql(f"SELECT id, status FROM sys_invocation WHERE invoked_by_id = '{id_}'")

    until(lambda: [row["status"] for row in children()] == ["suspended"], "the child waits")
    return children()[0]["id"]


def ended(handlers: Any, id_: str) -> bool:
    [row] = handlers.sql(f"SELECT status FROM sys_invocation WHERE id = '{id_}'")
    return row["status"] == "completed"


def stop(restate: RestateServer, handlers: Any, id_: str, how: str) -> None:
    httpx.patch(f"{restate.admin_url}/invocations/{id_}/{how}").raise_for_status()
    until(lambda: ended(handlers, id_), f"{how} ends it")


async def test_only_what_was_ended_from_outside_is_called_so(
    handlers: Any, restate: RestateServer
) -> None:
    expected: dict[str, str] = {}
    for how, word in (("kill", "killed"), ("cancel", "cancelled")):
        parent = handlers.send("every/calls_naps", None)
        child = child_of(handlers, parent)
        stop(restate, handlers, child, how)
        until(lambda id_=parent: ended(handlers, id_), "the parent ends")
        expected |= {child: word, parent: "failed"}
        alike = handlers.finish("every/raises", {"text": word, "code": 409})
        expected[alike] = "failed"
    failures = {
        row["id"]: row["completion_failure"]
        for row in handlers.sql("SELECT id, completion_failure FROM sys_invocation")
        if row["id"] in expected
    }
    assert set(failures.values()) == {"[409] killed", "[409] cancelled"}, "the texts are equal"
    reader = Reader(RestateClient(restate.admin_url), None)
    rows = {row.id: row.status for row in (await reader.invocations(limit=1000)).rows}
    assert {id_: rows[id_] for id_ in expected} == expected
    for status in ("failed", "killed", "cancelled"):
        page = await reader.invocations(limit=1000, status=status)
        found = {row.id for row in page.rows} & set(expected)
        assert found == {id_ for id_, word in expected.items() if word == status}
    for id_, word in expected.items():
        detail = await reader.invocation(id_)
        assert detail is not None
        assert detail.summary.status == word
    await reader.close()
