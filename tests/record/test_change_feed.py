"""Changes of the store reach those who wait for them, once, and nothing is lost silently."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playhead.errors import RecorderError
from playhead.local import RestateServer
from playhead.record.change_feed import ChangeFeed, parse_changes
from playhead.record.client import connect
from playhead.record.progress import copy_problems
from playhead.record.recorder import Recorder, open_recorder
from playhead.settings import Settings

from helpers import FREE  # isort: skip
from otlp import client, post, request  # isort: skip


def names(changes: Any) -> list[tuple[str, list[str]]]:
    return [(change.invocation_id, sorted(change.what)) for change in changes.changes]


async def test_changes_come_in_order_and_each_invocation_once() -> None:
    feed = ChangeFeed()
    start = feed.since(None)
    assert (start.changes, start.missed) == ((), False)
    feed.add(["inv_1", "inv_2"], "journal")
    feed.add(["inv_1"], "spans")
    found = feed.since(start.position)
    assert names(found) == [("inv_2", ["journal"]), ("inv_1", ["journal", "spans"])]
    assert feed.since(found.position).changes == ()
    assert parse_changes(found.document()) == found


async def test_a_forgotten_change_and_another_recorder_are_reported() -> None:
    feed = ChangeFeed(capacity=3)
    start = feed.position
    feed.add([f"inv_{n}" for n in range(3)], "spans")
    middle = feed.position
    assert not feed.since(start).missed
    feed.add(["inv_3"], "spans")
    assert feed.since(start).missed
    assert not feed.since(middle).missed
    assert [change.invocation_id for change in feed.since(middle).changes] == ["inv_3"]
    for other in (ChangeFeed().position, "nonsense", f"{feed.position}0"):
        assert feed.since(other).missed
        assert feed.since(other).position == feed.position


async def test_a_waiting_request_is_answered_by_the_change_or_by_the_end() -> None:
    feed = ChangeFeed()
    waiting = asyncio.create_task(feed.wait(feed.position, 60))
    await asyncio.sleep(0)
    feed.add(["inv_1"], "journal")
    assert names(await waiting) == [("inv_1", ["journal"])]
    waiting = asyncio.create_task(feed.wait(feed.position, 60))
    await asyncio.sleep(0)
    feed.close()
    assert (await waiting).changes == ()


async def test_spans_are_reported_to_a_client_that_waits(
    settings: Settings, recorder: Recorder
) -> None:
    """The root names its invocation; its child arrives first and inherits it."""
    store = await connect(settings)
    assert store
    start = await store.changes(None, 0)
    assert start
    message = request(2)
    child, root = message.resource_spans[0].scope_spans[0].spans
    child.parent_span_id = root.span_id
    root.attributes.add(key="restate.invocation.id").value.string_value = "inv_root"
    waiting = asyncio.create_task(store.changes(start.position, 20))
    assert (await post(recorder, message.SerializeToString())).is_success
    found = await waiting
    assert found
    assert names(found) == [("inv_root", ["spans"])]
    restarted = await store.changes("deadbeef-7", 20)
    assert restarted
    assert restarted.missed
    await store.close()


async def test_a_closed_client_opens_no_new_connection(
    settings: Settings, recorder: Recorder
) -> None:
    """A request under way fails with the connection, and does not look for a recorder again."""
    store = await connect(settings)
    assert store
    start = await store.changes(None, 0)
    assert start
    waiting = asyncio.create_task(store.changes(start.position, 20))
    await store.health()  # on a second connection: the first one waits for a change by now
    await store.close()
    with pytest.raises(RecorderError):
        await waiting
    with pytest.raises(RecorderError, match="connection to the store was closed"):
        await store.health()
    gc.collect()  # an open connection would be reported as a ResourceWarning


async def test_a_file_without_a_recorder_has_no_changes(settings: Settings) -> None:
    async with open_recorder(settings, FREE):
        pass
    store = await connect(settings)
    assert store
    assert await store.changes(None, 20) is None
    await store.close()


async def test_a_copied_journal_is_reported_after_its_copy(
    restate: RestateServer, service: str, tmp_path: Path
) -> None:
    """A client that is told finds the new rows."""
    settings = Settings(admin_url=restate.admin_url, store=tmp_path / "store")
    async with open_recorder(settings, replace(FREE, journals=True)):
        store = await connect(settings)
        assert store
        start = await store.changes(None, 0)
        assert start
        async with client() as http:
            url = f"{restate.ingress_url}/plain/steps"
            answer = await http.post(url, json=1)
        ident = answer.headers["x-restate-id"]
        position = start.position
        told = False
        while not told:
            found = await store.changes(position, 20)
            assert found
            position = found.position
            told = any(change.invocation_id == ident for change in found.changes)
        rows = await store.rows("SELECT id FROM invocations WHERE id = ?", [ident])
        assert [row["id"] for row in rows] == [ident]
        await store.close()


@pytest.mark.parametrize(
    ("journals", "sentence"),
    [
        (None, "--no-journal"),
        ({"problem": "No Restate server answers at http://x"}, "answers at http://x."),
        ({"behind": 14_000, "total": 50_000}, "copied 36,000 of 50,000 invocations."),
        ({"behind": 14_000, "total": 50_000, "last_copy": 3.0}, "copied 36,000 of 50,000"),
        ({"behind": 3, "total": 50_000, "last_copy": 0.5}, ""),
        ({"behind": 0, "total": 50_000, "last_copy": 0.5}, ""),
    ],
)
def test_what_is_not_copied_is_said(journals: Any, sentence: str) -> None:
    now = datetime(2026, 3, 14, tzinfo=UTC)
    if journals and "last_copy" in journals:
        at = now - timedelta(seconds=journals["last_copy"])
        journals = journals | {"last_copy": at.isoformat()}
    found = copy_problems({"journals": journals}, now)
    assert len(found) == bool(sentence)
    assert sentence in "".join(found)
    assert copy_problems(None) == []
