"""In an ended invocation nothing is open: spans, steps, rows, whatever was lost."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playhead.model import Invocation, InvocationDetail, Span, Status
from playhead.reader.invocation.detail import build_detail
from playhead.restate.rows import EventRow, JournalRow, journal_row

START = datetime(2026, 1, 1, tzinfo=UTC)
NOISE = timedelta(milliseconds=100)
ENDINGS: tuple[Status, ...] = ("succeeded", "failed", "killed", "cancelled", "gone")


def at(seconds: float) -> datetime:
    return START + timedelta(milliseconds=round(seconds * 1000))


def head(status: Status, end: float | None = None) -> Invocation:
    return Invocation("inv_1", "a/b", "a", "b", None, status, START, at(end or 0),
                      at(end) if end is not None and status != "gone" else None)  # fmt: skip


def command(index: int, when: float, kind: str = "Run", completion: int | None = 1) -> JournalRow:
    lite = {} if completion is None else {"completion_id": completion}
    return journal_row({
        "index": index, "entry_type": f"Command: {kind}", "name": f"step {index}", "version": 2,
        "appended_at": at(when), "entry_lite_json": {"Command": {kind: lite}},
    })  # fmt: skip


def result(index: int, when: float, completion: int = 1, kind: str = "Run") -> JournalRow:
    return journal_row({
        "index": index, "entry_type": f"Notification: {kind}", "version": 2,
        "appended_at": at(when),
        "entry_lite_json": {"Notification": {"id": {"CompletionId": completion}}},
    })  # fmt: skip


def server(id_: str, begin: float, end: float, status: Any = "unset") -> Span:
    return Span("t", id_, None, "invocation-attempt a/b", "", "Restate", "", at(begin), at(end),
                status, "", {}, invocation_id="inv_1")  # fmt: skip


def agent(
    id_: str, attempt: str, begin: float, end: float | None, *, status: Any = "unset",
    parent: str | None = None, completion: int | None = None, instance: str = "p1", **more: Any,
) -> Span:  # fmt: skip
    attributes: dict[str, Any] = {"playhead.attempt.span_id": attempt, **more}
    if completion is not None:
        attributes["playhead.journal.completion_id"] = completion
    return Span("t", id_, parent or attempt, f"span {id_}", "", "agents", "", at(begin),
                None if end is None else at(end), status, "boom" if status == "error" else "",
                attributes, instance=instance)  # fmt: skip


def detail(
    summary: Invocation, journal: list[JournalRow], spans: list[Span] | None,
    events: list[EventRow] | None = None, now: float = 1000,
) -> InvocationDetail:  # fmt: skip
    return build_detail(
        summary, {}, journal=journal, events=events or [], payloads={}, spans=spans, state={},
        missing=(), now=at(now),
    )  # fmt: skip


def failure(when: float, message: str = "boom", index: int = 1) -> EventRow:
    return EventRow(at(when), "TransientError",
                    {"error_message": message, "related_command_index": index})  # fmt: skip


INPUT = command(0, 0, "Input", None)


def test_a_span_whose_process_died_ends_with_its_attempt() -> None:
    spans = [
        server("one", 0, 2, "error"), agent("tool", "one", 0.5, None),
        server("two", 3, 4), agent("again", "two", 3.1, 3.9, instance="p2"),
    ]  # fmt: skip
    found = detail(head("succeeded", 4), [INPUT], spans)
    [row] = [r for r in found.timeline if r.key == "span:tool"]
    assert (row.state, row.ended_at, row.note) == ("lost", at(2), "lost with the process")


@pytest.mark.parametrize("status", ["running", "succeeded"])
def test_a_try_with_a_result_is_done_even_if_its_span_did_not_end(status: Status) -> None:
    spans = [agent("x", "one", 0.5, None, completion=1)]
    spans += [server("one", 0, 3)] if status == "succeeded" else []
    found = detail(head(status, 3), [INPUT, command(1, 0.5), result(2, 2.5)], spans)
    [only] = found.steps[1].tries
    assert (only.state, only.ended_at) == ("done", at(2.5))


def test_a_lost_request_to_a_model_was_not_answered() -> None:
    chat: dict[str, Any] = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7}
    spans = [server("one", 0, 2), agent("chat", "one", 0.5, None, **chat)]
    assert detail(head("killed", 2), [INPUT], spans).summary.llm_calls == 0
    spans = [server("one", 0, 2), agent("chat", "one", 0.5, 1, **chat)]
    assert detail(head("killed", 2), [INPUT], spans).summary.llm_calls == 1


def test_a_span_is_not_called_lost_while_its_end_may_arrive() -> None:
    spans = [server("one", 0, 2), agent("tool", "one", 0.5, None)]
    soon = detail(head("succeeded", 2), [INPUT], spans, now=3)
    [row] = [r for r in soon.timeline if r.span]
    assert (row.state, row.ended_at, row.note) == ("pending", at(2), "end not received yet")
    # The bridge may keep a span for the next attempt.
    spans = [server("one", 0, 2, "error"), agent("tool", "one", 0.5, None)]
    for now, lost in ((20, False), (60, True)):
        waiting = detail(head("backing-off"), [INPUT], spans, now=now)
        assert [s.lost for s in waiting.spans] == [False, lost]


@pytest.mark.parametrize("status", ENDINGS)
def test_a_step_without_result_says_how_it_ended(status: Status) -> None:
    journal = [INPUT, command(1, 1), command(2, 1, "Sleep", 2)]
    found = detail(head(status, 5), journal, None)
    for step in found.steps[1:]:
        assert step.state == "unfinished"
        assert step.ended_at == at(5)
        assert step.note
        words = {"succeeded": "returned", "gone": "no longer"}
        assert words.get(status, status) in step.note
    assert detail(head("running"), journal, None).steps[1].state == "pending"


def test_three_tries_and_two_waits_then_the_wait_that_grows() -> None:
    spans = [
        server("one", 0, 1, "error"), agent("x", "one", 0.5, 1, status="error", completion=1),
        server("two", 2, 3, "error"), agent("y", "two", 2.5, 3, status="error", completion=1),
        server("three", 5, 6, "error"), agent("z", "three", 5.5, 6, status="error", completion=1),
    ]  # fmt: skip
    journal = [INPUT, command(1, 0.5)]
    errors = [failure(1), failure(6, "other")]
    step = detail(head("backing-off"), journal, spans, errors).steps[1]
    assert [(t.number, t.state, t.attempt) for t in step.tries] == [
        (1, "failed", 1), (2, "failed", 2), (3, "failed", 3)
    ]  # fmt: skip
    assert [(w.started_at, w.ended_at) for w in step.waits] == [
        (at(1), at(2.5)), (at(3), at(5.5)), (at(6), None)
    ]  # fmt: skip
    assert step.state == "retrying"
    killed = detail(head("killed", 9), journal, spans, errors).steps[1]
    assert killed.waits[-1].ended_at == at(9)
    assert killed.state == "unfinished"
    # The same from the server's attempts alone: the second error equals the first.
    traced = detail(head("backing-off"), journal, spans[::2], errors).steps[1]
    assert [(t.started_at, t.ended_at) for t in traced.tries] == [
        (at(0.5), at(1)), (at(2), at(3)), (at(5), at(6))
    ]  # fmt: skip
    assert not traced.more_tries
    # And from the recorded errors alone, one of which is not recorded.
    recorded = detail(head("backing-off"), journal, None, errors).steps[1]
    assert len(recorded.tries) == 2
    assert recorded.more_tries


def test_a_step_belongs_to_the_attempt_in_which_it_ended() -> None:
    spans = [
        server("one", 0, 1, "error"), agent("x", "one", 0.5, 1, status="error", completion=1),
        server("two", 2, 3), agent("y", "two", 2.5, 2.8, completion=1),
    ]  # fmt: skip
    found = detail(head("succeeded", 3), [INPUT, command(1, 0.5), result(2, 2.8)], spans)
    assert found.steps[1].attempt == 2
    rows = [(r.key, r.attempt, r.note) for r in found.timeline if r.kind != "attempt" and r.span]
    assert rows == [("span:x", 1, "try 1"), ("step:1", 2, "2 tries")]


def test_a_result_that_is_stored_late_does_not_outlast_the_call() -> None:
    """The attempt ended in between, and the next one read the result."""
    spans = [
        server("one", 0, 3), agent("chat", "one", 0.5, 9.5),
        agent("x", "one", 0.6, 2, completion=1, parent="chat"), server("two", 9, 10),
    ]  # fmt: skip
    found = detail(head("succeeded", 10), [INPUT, command(1, 0.6), result(2, 2.4)], spans)
    rows = {r.key: (r.ended_at, r.note) for r in found.timeline if r.kind != "attempt"}
    assert rows["span:chat"] == (at(2), "result read by the next attempt")
    assert rows["step:1"] == (at(2.4), None)


def test_late_spans_do_not_stretch_the_timeline() -> None:
    spans = [server("one", 0, 2), agent("background", "one", 1, 30)]
    found = detail(head("succeeded", 2), [INPUT], spans)
    [row] = [r for r in found.timeline if r.span]
    assert row.ended_at == found.ended_at == at(2)
    assert row.note


@pytest.mark.parametrize("seed", range(200))
def test_nothing_is_open_after_the_end(seed: int) -> None:
    """Random journals and spans, with spans and results left out."""
    pick = random.Random(seed)
    journal, spans, events, clock = [INPUT], list[Span](), list[EventRow](), 0.0
    index, completion = 1, 1
    attempts = pick.randint(1, 4)
    for number in range(1, attempts + 1):
        begin, name = clock, f"attempt{number}"
        for _ in range(pick.randint(0, 3)):
            clock += pick.uniform(0.01, 1)
            journal.append(command(index, clock, "Run", completion))
            started, clock = clock, clock + pick.uniform(0.01, 2)
            failed = pick.random() < 0.2
            end = pick.choice([clock, clock, None, clock + pick.uniform(0, 20)])
            spans.append(agent(f"p{completion}", name, started, end))
            spans.append(agent(f"s{completion}", name, started, pick.choice([clock, None]),
                               status="error" if failed else "unset", parent=f"p{completion}",
                               completion=completion))  # fmt: skip
            index += 1
            if failed:
                events.append(failure(clock, pick.choice(["boom", "bang"]), completion))
            elif pick.random() < 0.7:
                journal.append(result(index, clock, completion))
                index += 1
            completion += 1
        clock += 0.05
        if pick.random() < 0.8:
            spans.append(server(name, begin, clock, pick.choice(["unset", "error"])))
        if number < attempts:
            clock += pick.uniform(0.1, 30)
    status = pick.choice(ENDINGS)
    pick.shuffle(spans)
    found = detail(head(status, clock), journal, pick.choice([spans, None]), events)
    over = found.ended_at
    assert over is not None
    assert all(span.end is not None for span in found.spans)
    for step in found.steps:
        assert step.state not in ("pending", "retrying")
        assert step.ended_at is not None
        assert all(one.state != "running" and one.ended_at for one in step.tries)
        assert all(w.ended_at and w.ended_at >= w.started_at for w in step.waits)
        ends = [(t.started_at or t.ended_at, t.ended_at) for t in step.tries]
        assert ends == sorted(ends)
    above: list[Any] = []
    for row in found.timeline:
        del above[row.depth :]
        assert row.started_at is None or (row.ended_at and row.started_at <= row.ended_at <= over)
        assert row.ran is None or row.ran >= 0
        if above and row.ended_at:
            last = row.step.tries[-1].ended_at if row.step and row.step.tries else row.ended_at
            assert last - above[-1].ended_at <= NOISE or row.note, (above[-1], row)
        above.append(row)
    assert replace(found, missing=()) == found
