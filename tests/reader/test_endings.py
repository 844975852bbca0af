"""Ends by their cause, on a real server: kills, cancellations, and errors that look like them."""

from __future__ import annotations

from typing import Any

from ended_alike import ended_alike
from playhead.local import RestateServer
from playhead.reader.reader import Reader
from playhead.restate.client import RestateClient


async def test_only_what_was_ended_from_outside_is_called_so(
    handlers: Any, restate: RestateServer
) -> None:
    expected = ended_alike(handlers, restate)
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
