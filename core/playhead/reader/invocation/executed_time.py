"""The time in which each span executed: without backoff, suspension and other attempts.

The bridge continues the span of a call in the next attempt if the call's step was done when its
attempt ended, for instance because a sibling failed. The time between is not the call's.
`SECONDS_SQL` in `playhead.store.views` is the same rule for the store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from playhead.conventions import ATTEMPT_SPAN_ID, INTERRUPTED, is_set
from playhead.formatting import duration
from playhead.model import Attempt, Span

__all__ = ["Executed", "Interval", "executed", "gaps_between", "total"]

SLACK = timedelta(milliseconds=100)
"""A span may end this much later than its attempt without a remark."""

Interval = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Executed:
    """The execution of one span."""

    parts: tuple[Interval, ...]
    """Empty while it executes."""
    end: datetime | None
    """End of the last part; None while it executes."""
    note: str | None = None


def executed(spans: Sequence[Span], attempts: Sequence[Attempt]) -> Mapping[str, Executed]:
    """Return the execution of each span, by span id.

    A span that ends in its attempt executed from start to end. Another one executed until the last
    span below it ended in that attempt, and again from the first one that began later.

    Args:
        spans: The spans of agents.
        attempts: The invocation's attempts.
    """
    children: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        if span.parent_span_id:
            children[span.parent_span_id].append(span)
    ends = {a.span_id: a for a in attempts if a.span_id and a.ended_at}
    return {
        span.span_id: _executed(
            span, ends.get(str(span.attributes.get(ATTEMPT_SPAN_ID))), children[span.span_id]
        )
        for span in spans
    }


def gaps_between(parts: Sequence[Interval]) -> tuple[Interval, ...]:
    """Return the intervals between consecutive parts."""
    return tuple((a, b) for (_, a), (b, _) in pairwise(parts) if b > a)


def total(parts: Sequence[Interval]) -> float | None:
    """Return the sum of the parts in seconds; None without any."""
    return sum((end - start).total_seconds() for start, end in parts) if parts else None


def _executed(span: Span, attempt: Attempt | None, children: Sequence[Span]) -> Executed:
    if span.end is None:
        return Executed((), None)
    over = attempt.ended_at if attempt else None
    if over is None or span.end <= over + SLACK or span.start >= over:
        return Executed(((span.start, span.end),), span.end)
    late = duration((span.end - over).total_seconds())
    if is_set(span.attributes.get(INTERRUPTED)):
        return Executed(((span.start, over),), over, f"stopped {late} after its attempt")
    within = [c.end for c in children if c.end is not None and c.end <= over + SLACK]
    first = (span.start, min(max(within, default=over), over))
    later = min((c.start for c in children if over < c.start < span.end), default=None)
    if later is None:
        return Executed((first,), first[1], "result read by the next attempt")
    return Executed((first, (later, span.end)), span.end, "continued by the next attempt")
