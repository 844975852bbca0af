"""The attempts of an invocation, from the server's `invocation-attempt` spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from playhead.conventions import ATTEMPT_SPAN, ATTEMPT_SPAN_ID, SUSPENDED_EVENT
from playhead.model import Attempt, AttemptOutcome, Invocation, Span, Status
from playhead.restate.rows import EventRow

__all__ = ["attempt_at", "attempts"]

_SLACK = timedelta(milliseconds=5)


def attempts(
    head: Invocation,
    spans: Sequence[Span],
    events: Sequence[EventRow],
    started: datetime | None,
) -> tuple[Attempt, ...]:
    """Return the attempts in order, numbered from 1.

    The server sends an attempt's span when the attempt has ended. A running attempt is recognized
    by the spans of its agents, or else by the server's `last_start_at`.

    Args:
        head: The invocation.
        spans: Its spans.
        events: Its failures and pauses, with the error messages.
        started: Time at which the server started the latest attempt.
    """
    ended = {s.span_id: s for s in spans if s.name.startswith(ATTEMPT_SPAN)}
    starts: dict[str, datetime] = {id_: span.start for id_, span in ended.items()}
    for span in spans:
        id_ = str(span.attributes.get(ATTEMPT_SPAN_ID) or "")
        if id_ and id_ not in ended:
            starts[id_] = min(span.start, starts.get(id_, span.start))
    order = sorted(starts, key=lambda id_: (starts[id_], id_))
    running = head.status == "running"
    if running and order and started and started > starts[order[-1]] and order[-1] in ended:
        starts[""] = started
        order.append("")
    found: list[Attempt] = []
    for number, id_ in enumerate(order, 1):
        span = ended.get(id_)
        last = number == len(order)
        outcome = _outcome(span, head, last=last)
        until = starts[order[number]] if not last else None
        error = _error(starts[id_], until, events) if outcome == "failed" else None
        if outcome == "failed" and error is None and found and found[-1].outcome == "failed":
            error = found[-1].error  # the server keeps only one of two equal errors in a row
        end = span.end if span else None
        found.append(Attempt(number, id_, starts[id_], end, outcome, error))
    return tuple(found)


def attempt_at(found: Sequence[Attempt], at: datetime | None) -> Attempt | None:
    """Return the attempt that appended an entry: the last one started before it."""
    if at is None:
        return None
    started = [a for a in found if a.started_at <= at + _SLACK]
    return started[-1] if started else None


_HANDLER_ENDS: Mapping[Status, AttemptOutcome] = {
    "failed": "terminal error",
    "cancelled": "cancelled",
}
"""How the handler ended in an attempt that ended the invocation, if not with a result."""


def _outcome(span: Span | None, head: Invocation, *, last: bool) -> AttemptOutcome:
    if span is None or span.end is None:
        return "running" if last and head.status == "running" else "end not recorded"
    if span.status == "error":
        return "failed"
    if any(event.name == SUSPENDED_EVENT for event in span.events):
        return "suspended"
    if span.status == "ok" or (last and head.status in ("succeeded", "failed", "cancelled")):
        return _HANDLER_ENDS.get(head.status, "completed") if last else "completed"
    return "killed" if last and head.status == "killed" else "interrupted"


def _error(since: datetime, until: datetime | None, events: Sequence[EventRow]) -> str | None:
    for event in reversed(events):
        within = since <= event.at and (until is None or event.at < until)
        if within and event.type == "TransientError":
            return str(event.document.get("error_message") or "") or None
    return None
