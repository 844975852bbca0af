"""Attempts of an invocation, from the server's `invocation-attempt` spans."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from playhead.model import Attempt, Invocation, Span
from playhead.restate.rows import EventRow

__all__ = ["ATTEMPT_SPAN", "SERVER_MARKS", "attempt_at", "attempts"]

ATTEMPT_SPAN = "invocation-attempt"
SERVER_MARKS = ("ingress ", "invocation-start ", "invocation-end ")
"""Names of the server's spans that mark a moment and tell nothing else."""

_SUSPENDED = "restate.invocation.lifecycle.suspended"
_SLACK = timedelta(milliseconds=5)

Outcome = Literal["completed", "failed", "suspended", "running", "interrupted"]


def attempts(
    head: Invocation,
    spans: Sequence[Span],
    events: Sequence[EventRow],
    started: datetime | None,
) -> tuple[Attempt, ...]:
    """The attempts in order, numbered from 1.

    The server sends an attempt's span when the attempt has ended. One that still runs is known
    from the spans of its agents, or else from what the server says it runs now.

    Args:
        head: the invocation.
        spans: its spans.
        events: what the server noted; gives the text of errors.
        started: when the server started the attempt that runs now, if one does.
    """
    recorded = {s.span_id: s for s in spans if s.name.startswith(ATTEMPT_SPAN)}
    begun: dict[str, datetime] = {id_: span.start for id_, span in recorded.items()}
    for span in spans:
        id_ = str(span.attributes.get("playhead.attempt.span_id") or "")
        if id_ and id_ not in recorded:
            begun[id_] = min(span.start, begun.get(id_, span.start))
    order = sorted(begun, key=lambda id_: (begun[id_], id_))
    runs = head.status == "running"
    if runs and order and started and started > begun[order[-1]] and order[-1] in recorded:
        begun[""] = started
        order.append("")
    found: list[Attempt] = []
    for number, id_ in enumerate(order, 1):
        span = recorded.get(id_)
        last = number == len(order)
        outcome = _outcome(span, head, last=last)
        until = begun[order[number]] if not last else None
        error = _error(begun[id_], until, events) if outcome == "failed" else None
        if outcome == "failed" and error is None and found and found[-1].outcome == "failed":
            error = found[-1].error  # the server keeps only one of two equal errors in a row
        end = span.end if span else None
        found.append(Attempt(number, id_, begun[id_], end, outcome, error))
    return tuple(found)


def attempt_at(found: Sequence[Attempt], at: datetime | None) -> Attempt | None:
    """The attempt in which something was appended: the last that had begun."""
    if at is None:
        return None
    begun = [a for a in found if a.started_at <= at + _SLACK]
    return begun[-1] if begun else None


def _outcome(span: Span | None, head: Invocation, *, last: bool) -> Outcome:
    if span is None or span.end is None:
        if last and not head.ended:
            return "running" if head.status == "running" else "interrupted"
        return "completed" if last and head.status == "succeeded" else "interrupted"
    if span.status == "error":
        return "failed"
    if any(event.name == _SUSPENDED for event in span.events):
        return "suspended"
    if span.status == "ok" or (last and head.status in ("succeeded", "failed", "cancelled")):
        return "completed"
    return "interrupted"


def _error(since: datetime, until: datetime | None, events: Sequence[EventRow]) -> str | None:
    for event in reversed(events):
        within = since <= event.at and (until is None or event.at < until)
        if within and event.type == "TransientError":
            return str(event.document.get("error_message") or "") or None
    return None
