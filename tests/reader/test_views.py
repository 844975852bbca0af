"""Views of a whole invocation: conversation, attempts, changes of state, calls, trace, events."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import playhead.reader.invocation.conversation as conversation_module
import pytest
from playhead.conventions import LIFECYCLE, SERVER_SERVICE
from playhead.model import (
    Attempt,
    AttemptOutcome,
    Invocation,
    InvocationDetail,
    LlmCall,
    Message,
    Phase,
    Span,
    SpanEvent,
    Step,
    StepEvent,
    StepKind,
    TimelineRow,
    Tokens,
    Try,
    TryState,
)
from playhead.reader.invocation.attempt_contents import attempt_contents, contents_lines
from playhead.reader.invocation.conversation import conversation, repeated_messages
from playhead.reader.invocation.event_log import event_log
from playhead.reader.invocation.key_changes import key_changes
from playhead.reader.invocation.span_tree import span_line, span_tree
from playhead.reader.reader import Reader
from recorded_store import RecordedStore


def message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def contents(prompt: list[dict[str, Any]], answer: str) -> dict[str, str]:
    return {
        "gen_ai.input.messages": json.dumps(prompt),
        "gen_ai.output.messages": json.dumps([message("assistant", answer)]),
    }


async def test_each_turn_shows_what_the_call_added(tmp_path: Path) -> None:
    store = RecordedStore(tmp_path)
    store.invocation("inv_a")
    first = [message("system", "Be brief."), message("user", "Weather?")]
    other = [message("system", "You review."), message("user", "Claim?")]
    second = [*first, message("assistant", "Where?"), message("user", "Denver")]
    store.chat("inv_a", "m", (1, 1), start=1, agent="main", attributes=contents(first, "Where?"))
    store.chat("inv_a", "m", (1, 1), start=2, agent="sub", attributes=contents(other, "Covered"))
    store.chat("inv_a", "m", (1, 1), start=3, agent="main", attributes=contents(second, "Rain"))
    replayed = {**contents(first, "Where?"), "playhead.replayed": True}
    store.chat("inv_a", "m", (1, 1), start=4, attributes=replayed)
    store.chat("inv_a", "m", (0, 0), start=5, status="error", message="429", attributes={})
    detail = await store.write().invocation("inv_a")
    assert detail is not None
    turns = conversation(detail)
    assert [(t.agent, t.repeated, [m.text for m in t.added], [m.text for m in t.answer])
            for t in turns] == [
        ("main", 0, ["Be brief.", "Weather?"], ["Where?"]),
        ("sub", 0, ["You review.", "Claim?"], ["Covered"]),
        ("main", 3, ["Denver"], ["Rain"]),
        ("", None, [], []),
    ]  # fmt: skip
    assert turns[3].error == "429"


def test_an_answer_in_other_words_is_repeated_too() -> None:
    asked = (Message("user", ({"type": "text", "content": "Hi"},)),)
    before = LlmCall("m", None, None, "Hello", prompt=asked)
    answered = Message("assistant", ({"type": "text", "content": "Hello", "id": "7"},))
    assert repeated_messages(replace(before, prompt=(*asked, answered, *asked)), [before]) == 2
    assert repeated_messages(replace(before, prompt=asked), []) == 0


def test_each_message_is_compared_once_however_many_calls_were_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[int] = []
    digests = conversation_module._digests

    def counted(prompt: Any) -> Any:
        compared.append(len(prompt))
        return digests(prompt)

    monkeypatch.setattr(conversation_module, "_digests", counted)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    words = [Message("user", ({"type": "text", "content": str(n)},)) for n in range(40)]
    steps = tuple(
        Step(index=n, command_index=n, kind="llm", type="Command: Run", name="Model call",
             state="done", started_at=at + timedelta(seconds=n), ended_at=None,
             llm=LlmCall("m", None, None, "", prompt=tuple(words[: n + 1])))
        for n in range(40)
    )  # fmt: skip
    rows = tuple(
        TimelineRow(f"step:{s.index}", 0, "step", s.name, s.started_at, None, "done", 1, step=s)
        for s in steps
    )
    head = Invocation("inv_a", "A/run", "A", "run", None, "succeeded", at)
    turns = conversation(InvocationDetail(head, steps, (), (), rows, {}))
    assert [len(turn.added) for turn in turns] == [1] * 40
    assert len(compared) == 2 * 40, "once to compare a prompt, and once to remember it"


async def test_a_call_counts_its_branch_once(tmp_path: Path) -> None:
    store = RecordedStore(tmp_path)
    calls = {"inv_a": None, "inv_b": "inv_a", "inv_c": "inv_a", "inv_d": "inv_b", "inv_x": None}
    for number, (id_, caller) in enumerate(calls.items()):
        store.invocation(id_, f"{id_[-1].upper()}/run", created=number, invoked_by_id=caller)
    store.chat("inv_a", "own", (10, 1))
    store.chat("inv_d", "own", (5, 2))
    store.chat("inv_d", "own", (5, 2))
    tree = await store.write().calls("inv_a")
    assert tree is not None
    assert [(n.row.id, n.depth, n.llm_calls, n.tokens) for n in tree.nodes] == [
        ("inv_a", 0, 3, Tokens(20, 5)), ("inv_b", 1, 2, Tokens(10, 4)),
        ("inv_d", 2, 2, Tokens(10, 4)), ("inv_c", 1, None, None),
    ]  # fmt: skip
    assert not tree.more
    assert await Reader(None, None).calls("inv_a") is None


async def test_changes_show_a_key_before_and_after(reader: Reader, ran: Any) -> None:
    detail = await reader.invocation(ran.ids["an agent that consults two other agents"])
    assert detail is not None
    changes = key_changes(detail)
    assert [(c.kind, c.key, c.before_known, c.before, c.after) for c in changes] == [
        ("set", "last_specialist", False, None, "medical"),
        ("set", "last_specialist", True, "medical", "car"),
    ]
    turns = conversation(detail)
    assert len(turns) == detail.summary.llm_calls
    assert [turn.agent for turn in turns] == ["intake", "medical", "intake", "car", "intake"]
    assert all(turn.index is not None for turn in turns)


async def test_an_attempt_has_its_own_executions(tmp_path: Path) -> None:
    detail = replace(await recorded(tmp_path), steps=(
        step(0, "input", attempt=1),
        step(1, "llm", attempt=2, tries=(tried(1, 1, "failed", "429"), tried(2, 2, "done"))),
        step(3, "sleep", attempt=1, state="pending"),
    ))  # fmt: skip
    detail = replace(
        detail,
        attempts=(attempt(1, 0, 2, "failed"), attempt(2, 5, 6, "completed")),
        phases=(Phase("queued", at(-1), at(0)), Phase("running", at(0), at(2)),
                Phase("backoff", at(2), at(5)), Phase("running", at(5), at(6))),
    )  # fmt: skip
    first, second = attempt_contents(detail)
    assert list(contents_lines(first)) == [
        ("#1 llm  try 1  failed  1.0s: 429", True), ("#3 sleep  pending", False),
        ("backoff 3.0s", False),
    ]  # fmt: skip
    assert list(contents_lines(second)) == [("#1 llm  try 2  1.0s", False)]
    assert first.deployment_id is None


async def test_the_trace_has_every_span_below_its_parent(tmp_path: Path) -> None:
    detail = await recorded(tmp_path)
    spans = (
        span("a", None), span("b", "a", 2), span("c", "a", 1), span("d", "c", 3),
        span("lost", "gone"), span("x", "y"), span("y", "x", 1),
        span("start", "caller", service_name=SERVER_SERVICE),
    )  # fmt: skip
    nodes = span_tree(replace(detail, spans=spans))
    assert [(n.span.span_id, n.depth, n.orphan) for n in nodes] == [
        ("a", 0, False), ("c", 1, False), ("d", 2, False), ("b", 1, False),
        ("lost", 0, True), ("start", 0, False), ("x", 0, True), ("y", 1, False),
    ]  # fmt: skip
    assert span_line(nodes[4]) == "1.0s  orphan  app  lost"
    deep = tuple(span(str(n), str(n - 1) if n else None) for n in range(5000))
    assert span_tree(replace(detail, spans=deep))[-1].depth == 4999


async def test_the_events_are_in_order_of_time(tmp_path: Path) -> None:
    detail = await recorded(tmp_path)
    failed = StepEvent(at(2), "TransientError", "429", code=429)
    raised = SpanEvent("exception", at(1.5), {"exception.type": "E", "exception.message": "no"})
    announced = SpanEvent(f"{LIFECYCLE}new_command", at(1), {})
    detail = replace(
        detail,
        summary=replace(detail.summary, created_at=at(0), completed_at=at(7), status="succeeded"),
        steps=(step(1, "run", attempt=2, events=(failed,), ended_at=at(6), notification_index=2),),
        attempts=(attempt(1, 0, 2, "failed"), attempt(2, 5, 7.0004, "completed")),
        spans=(replace(span("a", None), events=(raised, announced)),),
    )
    expected = [
        (0, "created", False), (0, "attempt 1 started", False), (1, "#1 run appended", False),
        (1.5, "exception in a: E: no", True), (2, "attempt 1: failed", True),
        (2, "TransientError [429] at #1 run: 429", True), (5, "attempt 2 started", False),
        (6, "#2 result of #1 run", False), (7.0004, "attempt 2: completed", False),
        (7, "succeeded", False),
    ]  # fmt: skip
    assert [(e.at, e.text, e.failed) for e in event_log(detail)] == [
        (at(second), text, bad) for second, text, bad in expected
    ]
    texts = [e.text for e in event_log(replace(detail, steps=()))]
    assert f"{LIFECYCLE}new_command in a" in texts


async def recorded(folder: Path) -> InvocationDetail:
    """Return an invocation without steps, attempts and spans."""
    store = RecordedStore(folder)
    store.invocation("inv_a")
    detail = await store.write().invocation("inv_a")
    assert detail is not None
    return replace(detail, steps=(), attempts=(), spans=(), phases=())


def at(second: float) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


def attempt(number: int, start: float, end: float, outcome: AttemptOutcome) -> Attempt:
    return Attempt(number, f"span{number}", at(start), at(end), outcome)


def tried(number: int, attempt: int, state: TryState, error: str | None = None) -> Try:
    return Try(number, state, at(number), at(number + 1), attempt, error)


def step(index: int, kind: StepKind, **more: Any) -> Step:
    given: dict[str, Any] = {"name": kind, "state": "done", "started_at": at(index), **more}
    given = {"ended_at": None, **given}
    return Step(index=index, command_index=index, kind=kind, type="Command: Run", **given)


def span(id_: str, parent: str | None, start: float = 0, service_name: str = "app") -> Span:
    return Span(
        trace_id="t", span_id=id_, parent_span_id=parent, name=id_, kind="internal",
        service_name=service_name, scope_name="", start=at(start), end=at(start + 1),
        status="unset", status_message="", attributes={},
    )  # fmt: skip
