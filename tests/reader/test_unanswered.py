"""Awakeables without an answer, of which the journal says nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playhead.conventions import AWAKEABLE_EVENT, AWAKEABLE_ID
from playhead.model import Invocation, Span, SpanEvent
from playhead.reader.invocation.detail import build_detail
from playhead.restate.ids import awakeable_id

START = datetime(2026, 1, 1, tzinfo=UTC)
INVOCATION = "inv_1dFDNUnnzeXU3jZyPt7tWhC4l7Zl0SFQoB"
FIRST = awakeable_id(INVOCATION, 17)


def asked(*seconds: float) -> Span:
    """Return the span of an attempt in which the handler created the awakeable."""
    events = tuple(
        SpanEvent(AWAKEABLE_EVENT, START + timedelta(seconds=at), {AWAKEABLE_ID: FIRST})
        for at in seconds
    )
    return Span("t", "a", None, "tool", "internal", "agents", "", START,
                START + timedelta(seconds=9), "ok", "", {}, events)  # fmt: skip


def detail(status: Any, row: dict[str, Any]) -> Any:
    ended = START + timedelta(seconds=10) if status != "running" else None
    head = Invocation(INVOCATION, "a/b", "a", "b", None, status, START, completed_at=ended)
    return build_detail(
        head, row, journal=[], events=[], payloads={}, spans=[asked(2, 5)], state={}, missing=()
    )


@pytest.mark.parametrize(
    ("status", "note"),
    [
        ("succeeded", "no result: the handler returned first"),
        ("killed", "not finished: the invocation was killed"),
    ],
)
def test_an_ended_invocation_shows_what_nobody_answered(status: str, note: str) -> None:
    found = detail(status, {})
    [step] = found.steps
    assert (step.kind, step.state, step.awakeable_id) == ("awakeable", "unfinished", FIRST)
    assert step.started_at == START + timedelta(seconds=2), "created in the first attempt"
    assert (step.ended_at, step.note) == (START + timedelta(seconds=10), note)
    [row] = [row for row in found.timeline if row.step is step]
    assert (row.started_at, row.ended_at) == (step.started_at, step.ended_at)


def test_a_running_invocation_shows_what_it_asked_for() -> None:
    [step] = detail("running", {}).steps
    assert (step.state, step.ended_at, step.awakeable_id) == ("pending", None, FIRST)


def test_it_is_shown_once() -> None:
    [step] = detail("suspended", {"suspended_waiting_for_signals": [17]}).steps
    assert (step.awakeable_id, step.started_at) == (FIRST, START + timedelta(seconds=2))
