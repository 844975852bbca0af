"""Spans whose end never arrived: they end with their attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from playhead.conventions import ATTEMPT_SPAN_ID, SERVER_SERVICE
from playhead.model import Attempt, Invocation, Span
from playhead.reader.invocation.attempts import attempt_at

__all__ = ["attempt_end", "attempt_of", "close_spans"]

ARRIVAL = timedelta(seconds=5)
"""Time after the end of an attempt in which a living process has sent its spans."""
CARRY = timedelta(seconds=40)
"""The same for a span that the bridge may keep for the next attempt (30 s)."""


def close_spans(
    spans: Sequence[Span],
    attempts: Sequence[Attempt],
    head: Invocation,
    over: datetime | None,
    now: datetime,
) -> tuple[Span, ...]:
    """Return the spans, those without an end in an attempt that has ended closed with it.

    Such a span is `lost` once a living process would have sent its end. Stored spans do not change.

    Args:
        spans: The invocation's spans.
        attempts: Its attempts.
        head: The invocation.
        over: The end of the invocation; None while it has not ended.
        now: The current time.
    """
    return tuple(
        span if span.end is not None else _closed(span, spans, attempts, head, over, now)
        for span in spans
    )


def attempt_of(span: Span, attempts: Sequence[Attempt]) -> Attempt | None:
    """Return the attempt of an agent's span: the one it names, else the one in which it began."""
    named = span.attributes.get(ATTEMPT_SPAN_ID)
    if named:
        for attempt in attempts:
            if attempt.span_id == named:
                return attempt
    return attempt_at(attempts, span.start)


def attempt_end(
    attempt: Attempt | None, attempts: Sequence[Attempt], over: datetime | None
) -> datetime | None:
    """Return the end of an attempt, or else the latest time at which it can have ended.

    That is the start of the next attempt, or the end of the invocation. None while it runs.

    Args:
        attempt: The attempt; None when it is unknown, which leaves the end of the invocation.
        attempts: All attempts of the invocation.
        over: The end of the invocation; None while it has not ended.
    """
    if attempt is not None:
        if attempt.ended_at is not None:
            return attempt.ended_at
        later = [a.started_at for a in attempts if a.number > attempt.number]
        if later:
            return min(later)
    return over


def _closed(
    span: Span,
    spans: Sequence[Span],
    attempts: Sequence[Attempt],
    head: Invocation,
    over: datetime | None,
    now: datetime,
) -> Span:
    end = attempt_end(attempt_of(span, attempts), attempts, over)
    if end is None:
        return span
    return replace(
        span,
        end=max(end, span.start),
        end_received=False,
        lost=now - end > _arrival(span, spans, head, end),
    )


def _arrival(span: Span, spans: Sequence[Span], head: Invocation, end: datetime) -> timedelta:
    """Return the time after which the span's end no longer arrives."""
    if head.status in ("succeeded", "failed"):
        return ARRIVAL  # The handler returned: the bridge keeps nothing.
    later = {s.instance for s in spans if s.service_name == span.service_name and s.start > end}
    restarted = bool(later) and span.instance is not None and span.instance not in later
    return ARRIVAL if restarted and span.service_name != SERVER_SERVICE else CARRY
