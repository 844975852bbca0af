"""Attempts whose spans the server has not sent yet or never sends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from playhead.model import Invocation, Span, SpanEvent
from playhead.reader.invocation.attempts import attempts
from playhead.restate.rows import EventRow

START = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = Invocation("inv", "a/b", "a", "b", None, "running", START)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def tried(id_: str, begin: float, end: float, status: Any = "unset", *events: str) -> Span:
    told = tuple(SpanEvent(f"restate.invocation.lifecycle.{name}", at(end)) for name in events)
    return Span("t", id_, None, "invocation-attempt a/b", "internal", "Restate", "", at(begin),
                at(end), status, "", {}, told)  # fmt: skip


def agent(attempt: str, begin: float, end: float | None = None) -> Span:
    ended = None if end is None else at(end)
    return Span("t", f"agent-{begin}", attempt, "chat", "client", "agents", "", at(begin), ended,
                "unset", "", {"playhead.attempt.span_id": attempt})  # fmt: skip


def outcomes(head: Invocation, *spans: Span, started: float | None = None) -> list[Any]:
    since = None if started is None else at(started)
    return [(a.number, a.span_id, a.outcome) for a in attempts(head, spans, (), since)]


def test_a_running_attempt_is_recognized_by_its_agents_spans() -> None:
    assert outcomes(HEAD, tried("one", 0, 1, "error"), agent("two", 2)) == [
        (1, "one", "failed"), (2, "two", "running"),
    ]  # fmt: skip


def test_a_running_attempt_is_recognized_by_the_server() -> None:
    spans = (tried("one", 0, 1, "unset", "suspended"),)
    assert outcomes(HEAD, *spans, started=5) == [(1, "one", "suspended"), (2, "", "running")]
    assert outcomes(HEAD, *spans, started=0) == [(1, "one", "suspended")]
    assert outcomes(replace(HEAD, status="suspended"), *spans, started=5) == [
        (1, "one", "suspended")
    ]


def test_an_attempt_without_a_span_has_no_recorded_end() -> None:
    head = replace(HEAD, status="succeeded")
    spans = (agent("killed", 0, 1), tried("two", 5, 6, "ok"))
    assert outcomes(head, *spans) == [(1, "killed", "end not recorded"), (2, "two", "completed")]
    for status in ("backing-off", "suspended", "succeeded", "killed"):
        head = replace(HEAD, status=status)
        assert outcomes(head, agent("only", 0, 1)) == [(1, "only", "end not recorded")]


def test_the_last_attempt_ended_as_the_invocation_did() -> None:
    for status, outcome in (("succeeded", "completed"), ("failed", "terminal error"),
                            ("cancelled", "cancelled")):  # fmt: skip
        head = replace(HEAD, status=status)
        spans = (tried("one", 0, 1, "unset", "suspended"), tried("two", 2, 3, "ok"))
        assert outcomes(head, *spans) == [(1, "one", "suspended"), (2, "two", outcome)]
    cut_off = outcomes(replace(HEAD, status="killed"), tried("one", 0, 1))
    assert cut_off == [(1, "one", "killed")]


def test_an_error_that_the_server_did_not_repeat() -> None:
    spans = (tried("1", 0, 1, "error"), tried("2", 2, 3, "error"), tried("3", 4, 5, "error"))
    noted = [
        EventRow(at(1.01), "TransientError", {"error_message": "same"}),
        EventRow(at(5.01), "TransientError", {"error_message": "other"}),
    ]
    found = attempts(replace(HEAD, status="backing-off"), spans, noted, None)
    assert [a.error for a in found] == ["same", "same", "other"]


def test_without_spans_no_attempts_are_known() -> None:
    assert outcomes(HEAD) == []
