"""The history of an object's state, rebuilt from journals, and compared with the state table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from journal_fixtures import Handlers
from playhead.journal.state_changes import StateCommand, state_changes, unexplained_keys
from playhead.model import StateHistory
from playhead.reader.reader import Reader
from playhead.restate.client import RestateClient
from playhead.restate.protocol import service_protocol_pb2 as messages
from playhead.store.database import DATABASE
from recorded_store import ClosedStore, RecordedStore
from waiting import until_async

START = datetime(2026, 3, 14, tzinfo=UTC)


@pytest.fixture
async def server(handlers: Handlers) -> AsyncIterator[RestateClient]:
    async with RestateClient(handlers.server.admin_url) as found:
        yield found


def actions(history: StateHistory) -> list[tuple[Any, ...]]:
    return [(one.action, one.key, one.before, one.value) for one in history.changes]


async def test_rebuilt_from_the_servers_journals_and_from_the_stores(
    handlers: Handlers, server: RestateClient, tmp_path: Path
) -> None:
    ids = [handlers.finish("box/told/put", {"value": value}) for value in (1, [2, "two"])]
    live = Reader(server, None)
    history = await live.state_history("box", "told")
    assert actions(history) == [
        ("set", "value", None, 1),
        ("set", "note", None, "text"),
        ("clear", "nothing", None, None),
        ("set", "value", 1, [2, "two"]),
        ("set", "note", "text", "text"),
        ("clear", "nothing", None, None),
    ]
    assert [one.invocation_id for one in history.changes] == [ids[0]] * 3 + [ids[1]] * 3
    assert {one.handler for one in history.changes} == {"put"}
    assert history.state == {"value": [2, "two"], "note": "text"}
    assert history.unexplained == ()
    assert not history.more

    newest = await live.state_history("box", "told", limit=1)
    assert [one.invocation_id for one in newest.changes] == [ids[1]] * 3
    assert newest.more

    recorded = RecordedStore(tmp_path)
    for row in handlers.sql(
        "SELECT id, target, created_at FROM sys_invocation WHERE target_service_key = 'told'"
    ):
        created = datetime.fromisoformat(row.pop("created_at"))
        recorded.invocation(row["id"], row["target"])
        recorded.invocations[-1]["created_at"] = created
    for row in handlers.sql(
        f"SELECT id, index, entry_type, appended_at, raw FROM sys_journal WHERE id = '{ids[0]}'"
    ):
        row["raw"] = bytes.fromhex(row["raw"])
        row["appended_at"] = datetime.fromisoformat(row["appended_at"])
        recorded.journal.append(row)
    stored = await recorded.write().state_history("box", "told")
    assert actions(stored) == actions(history)[:3]
    assert stored.unexplained == ("note", "value"), "the state was not copied"

    # The server's own journals and those that only the store has.
    handlers.call("box/told/put", {"value": 3})
    url = f"{handlers.server.admin_url}/invocations/{ids[0]}?mode=purge"
    await asyncio.to_thread(httpx.delete, url)
    both = Reader(server, ClosedStore(tmp_path / DATABASE))

    async def purged() -> bool:
        return not handlers.sql(f"SELECT id FROM sys_journal WHERE id = '{ids[0]}'")

    await until_async(purged)
    values = [one.value for one in (await both.state_history("box", "told")).changes if one.value]
    assert values == [1, "text", [2, "two"], "text", 3, "text"]


async def test_an_edit_of_the_state_is_not_explained(
    handlers: Handlers, server: RestateClient
) -> None:
    handlers.finish("box/edited/put", {"value": 1})
    body = {"object_key": "edited", "new_state": {"value": list(b"9"), "note": list(b'"text"')}}
    url = f"{handlers.server.admin_url}/services/box/state"
    answer = await asyncio.to_thread(httpx.post, url, json=body)
    assert answer.is_success, answer.text
    reader = Reader(server, None)

    async def edited() -> bool:
        history = await reader.state_history("box", "edited")
        return history.state.get("value") == 9 and history.unexplained == ("value",)

    await until_async(edited)


def command(
    kind: str, message: Any, index: int, seconds: float, *, id_: str = "inv_1", **more: Any
) -> StateCommand:
    return StateCommand(
        id_, index, f"Command: {kind}", START + timedelta(seconds=seconds),
        message.SerializeToString(), "put", START, **more,
    )  # fmt: skip


def set_to(key: bytes, value: bytes) -> Any:
    return messages.SetStateCommandMessage(key=key, value=messages.Value(content=value))


def test_all_is_cleared_and_copies_of_a_restart_count_once() -> None:
    commands = [
        command("SetState", set_to(b"a", b"1"), 1, 1),
        command("ClearAllState", messages.ClearAllStateCommandMessage(), 2, 2),
        command("SetState", set_to(b"b", b"\xff"), 3, 3),
    ]
    copy = StateCommand("inv_2", 1, "Command: SetState", commands[0].at, commands[0].raw, "put",
                        START + timedelta(seconds=9), "inv_1")  # fmt: skip
    changes, state = state_changes([copy, *reversed(commands)], {"inv_1", "inv_2"})
    assert [(one.action, one.key, one.value) for one in changes] == [
        ("set", "a", 1), ("clear all", None, None), ("set", "b", b"\xff"),
    ]  # fmt: skip
    assert state == {"b": b"\xff"}
    alone, _ = state_changes([copy], {"inv_2"})
    assert [one.key for one in alone] == ["a"], "the journal of the original is gone"
    assert unexplained_keys(state, {"b": b"\xff"}) == []
    assert unexplained_keys(state, {"c": b"1"}) == ["b", "c"]


def test_bytes_that_are_no_command_are_left_out() -> None:
    broken = StateCommand("inv_1", 1, "Command: SetState", START, b"\xff\xff", "put", START)
    assert state_changes([broken], {"inv_1"}) == ((), {})
