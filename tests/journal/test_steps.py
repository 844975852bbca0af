"""Compare steps with the server's `entry_json` and the handlers' counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playhead.journal import entries
from playhead.journal.steps import steps, unrelated_events
from playhead.model import Step
from playhead.reader.listing.live import LiveInvocations
from playhead.restate.client import RestateClient
from playhead.values import decode_value


async def read(client: RestateClient, id_: str) -> list[Step]:
    live = LiveInvocations(client)
    [row] = await live.rows([id_])
    journal = await live.journal(id_)
    payloads = await live.payloads(id_, [r.index for r in journal])
    return steps(
        id_,
        journal,
        events=await live.events(id_),
        payloads=payloads,
        waiting_signals=row.get("suspended_waiting_for_signals") or [],
        active=row["status"] != "completed",
    )


def truths(document: Any) -> Iterator[tuple[str, Any]]:
    """Return the payloads and failures in an `entry_json`, whose bytes are lists of numbers."""
    if not isinstance(document, dict):
        return
    for name, value in document.items():
        if name in ("Success", "payload", "value", "parameter") and isinstance(value, list):
            yield "value", bytes(value)
        elif name == "Failure":
            yield "failure", f"[{value['code']}] {value['message']}"
        else:
            yield from truths(value)


async def test_payloads_equal_those_in_the_server_s_entry_json(
    handlers: Any, client: RestateClient
) -> None:
    ids = [
        handlers.finish("every/everything", {"key": "truth"}),
        handlers.finish("every/fails", {"why": "not"}),
        handlers.finish("ai/ask", "Weather?"),
    ]
    ids += [
        row["id"]
        for row in handlers.sql(f"SELECT id FROM sys_invocation WHERE invoked_by_id = '{ids[0]}'")
    ]
    assert len(ids) == 6
    compared = 0
    for id_ in ids:
        live = LiveInvocations(client)
        journal = await live.journal(id_)
        raw = await live.payloads(id_, [row.index for row in journal])
        truth = {
            row["index"]: json.loads(row["entry_json"])
            for row in handlers.sql(f"SELECT index, entry_json FROM sys_journal WHERE id = '{id_}'")
        }
        assert len(truth) == len(journal) > 0
        for row in journal:
            found = entries.payload_of(row, raw[row.index])
            for what, expected in truths(truth[row.index]):
                if what == "failure":
                    assert found.failure == expected
                else:
                    assert found.value == decode_value(expected)
                compared += 1
    assert compared > 25


async def test_all_entries_become_steps(handlers: Any, client: RestateClient) -> None:
    id_ = handlers.finish("every/everything", {"key": "steps"})
    found = await read(client, id_)
    assert [(s.kind, s.name, s.state) for s in found] == [
        ("input", "input", "done"),
        ("call", "box/steps/put", "done"),
        ("send", "box/steps-later/put", "done"),
        ("sleep", "sleep", "done"),
        ("run", "refused", "failed"),
        ("run", "publish", "done"),
        ("signal", "complete awakeable", "done"),
        ("awakeable", "awakeable", "done"),
        ("call", "flow/steps/run", "done"),
        ("output", "output", "done"),
    ]
    by_name = {step.name: step for step in found}
    children = {
        row["target"]: row["id"]
        for row in handlers.sql(
            f"SELECT id, target FROM sys_invocation WHERE invoked_by_id = '{id_}'"
        )
    }
    assert {s.name: s.child_id for s in found if s.child_id} == children
    assert by_name["box/steps/put"].input == {"value": [1, "two"]}
    assert by_name["box/steps/put"].output == {"old": None, "keys": []}
    assert by_name["refused"].error == "[409] no way"
    published = by_name["publish"].output
    assert published.startswith("sign_1")
    assert (
        by_name["awakeable"].awakeable_id == by_name["complete awakeable"].awakeable_id == published
    )
    assert by_name["awakeable"].output == {"yes": True}
    nap = by_name["sleep"]
    assert nap.wake_at
    assert nap.started_at
    assert nap.wake_at > nap.started_at
    commands = [s.command_index for s in found if s.command_index is not None]
    assert commands == list(range(len(commands)))

    state = await read(client, children["box/steps/put"])
    assert [(s.kind, s.name, s.input) for s in state[1:-1]] == [
        ("state", "get value", None),
        ("state", "state keys", None),
        ("state", "set value", [1, "two"]),
        ("state", "set note", "text"),
        ("state", "clear nothing", None),
    ]
    promises = await read(client, children["flow/steps/run"])
    assert [(s.kind, s.name, s.output) for s in promises[1:-1]] == [
        ("promise", "complete done", None),
        ("promise", "peek other", None),
        ("promise", "await done", "promised"),
    ]


async def test_failed_tries_are_attached_to_their_step(
    handlers: Any, client: RestateClient
) -> None:
    id_ = handlers.finish("every/flaky", {"key": "a"})
    assert handlers.ran("flaky a") == 3
    found = {step.name: step for step in await read(client, id_)}
    tries = found["fails twice"].events
    assert len(tries) == handlers.ran("flaky a") - 1
    assert all(event.kind == "TransientError" and event.code == 500 for event in tries)
    assert all("ValueError" in (event.stacktrace or "") for event in tries)
    assert found["fails twice"].state == "done"
    assert found["before"].events == ()
    step = found["fails twice"]
    assert step.started_at
    assert step.ended_at
    assert step.started_at <= tries[0].at < tries[1].at <= step.ended_at


async def test_an_awaited_awakeable_is_a_pending_step(handlers: Any, client: RestateClient) -> None:
    id_ = handlers.send("every/waits", {})
    await handlers.until(id_, "suspended")
    found = {step.name: step for step in await read(client, id_)}
    assert found["awakeable"].state == "pending"
    assert found["awakeable"].awakeable_id == found["publish"].output
    assert "output" not in found


async def test_failures_outside_of_steps(handlers: Any, client: RestateClient) -> None:
    id_ = handlers.send("every/always_raises", {})
    await handlers.until(id_, "backing-off")
    live = LiveInvocations(client)
    journal, events = await live.journal(id_), await live.events(id_)
    found = unrelated_events(journal, events)
    assert [event.message for event in found] == ["RuntimeError('always')"]
    assert all(step.events == () for step in await read(client, id_))
    await client.change("PATCH", f"/invocations/{id_}/kill")


async def test_an_agent_s_calls_are_decoded(handlers: Any, client: RestateClient) -> None:
    before = handlers.ran("model")
    id_ = handlers.finish("ai/ask", "What is the weather?")
    found = await read(client, id_)
    calls = [step.llm for step in found if step.llm]
    assert len(calls) == handlers.ran("model") - before == 2
    first, second = calls
    assert (first.model, first.text, first.finish_reason) == (
        "thinker",
        "I look it up.",
        "tool_call",
    )
    assert [(c.name, c.arguments, c.call_id) for c in first.tool_calls] == [
        ("weather", {"city": "Paris"}, "call-1")
    ]
    assert first.tokens
    assert second.tokens
    assert (first.tokens.input, first.tokens.output) == (100, 7)
    assert second.tokens.input == 300
    assert first.cache_read_tokens == 30
    assert second.text == "20 degrees."
    assert first.prompt is None


async def test_payloads_that_were_not_read_are_marked(handlers: Any, client: RestateClient) -> None:
    id_ = handlers.finish("ai/ask", "Again?")
    live = LiveInvocations(client)
    found = steps(id_, await live.journal(id_))
    assert {s.name: s.kind for s in found}["Model call"] == "llm"
    assert [s.truncated for s in found] == [True] * len(found)
    assert all(s.llm is None and s.output is None for s in found)


@pytest.mark.parametrize("raw", [b"", b"\xff\xff", b"\x2a\x05ab"])
def test_malformed_payloads_are_shown_raw(raw: bytes) -> None:
    from playhead.restate.rows import journal_row

    row = journal_row({"index": 2, "entry_type": "Notification: Run", "version": 2,
                       "entry_lite_json": "{not json", "raw_length": 3})  # fmt: skip
    found = entries.payload_of(row, raw)
    assert found.value == (raw or None)
    [command] = steps("inv_bad", [journal_row({"index": 0, "entry_type": "Command: Strange"})])
    assert (command.kind, command.state) == ("other", "done")
