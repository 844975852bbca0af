"""Differences between the clocks of agents and the server, found from spans and the journal.

An agent's span cannot begin before the server began its attempt, and the server cannot store a
step's result before the step has produced it. Both bound the difference between the two clocks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from playhead.conventions import ATTEMPT_SPAN, ATTEMPT_SPAN_ID, INTERRUPTED, SERVER_SERVICE, is_set
from playhead.model import ClockOffset, Invocation, Span, Step

__all__ = ["clock_offsets", "shifted"]

NOISE_SECONDS = 0.1
"""Differences up to this cannot be told from delays."""

LATE_END_SECONDS = 0.02
"""How much later than the server's end of an attempt or step the agent's span may end."""

Process = tuple[str, str | None]
"""Service and instance."""


def clock_offsets(
    head: Invocation,
    steps: Sequence[Step],
    spans: Sequence[Span],
    executions: Mapping[int, Sequence[Span]],
) -> tuple[ClockOffset, ...]:
    """Return the processes whose clock differs from the server's by more than noise.

    Args:
        head: The invocation.
        steps: Its steps, with the server's times.
        spans: Its spans, as stored.
        executions: The spans that executed each step, by journal index, oldest first.
    """
    attempts = {s.span_id: s for s in spans if _is_attempt(s)}
    latest: dict[Process, list[float]] = defaultdict(list)
    earliest: dict[Process, list[float]] = defaultdict(list)
    latest_attempt = max((s.start for s in attempts.values()), default=None)
    for span in spans:
        if span.service_name == SERVER_SERVICE:
            continue
        attempt = attempts.get(str(span.attributes.get(ATTEMPT_SPAN_ID)))
        began = attempt.start if attempt else head.created_at
        latest[_process(span)].append(_seconds(began, span.start))
        if attempt is None or span.end is None or attempt.end is None:
            continue
        # A span of an earlier attempt may be continued by the next one, or be cut off late.
        if attempt.start == latest_attempt and not is_set(span.attributes.get(INTERRUPTED)):
            earliest[_process(span)].append(_seconds(attempt.end, span.end))
    for step in steps:
        found = executions.get(step.index, ())
        last = found[-1] if found else None
        if last and last.end and last.status != "error" and step.state == "done" and step.ended_at:
            earliest[_process(last)].append(_seconds(step.ended_at, last.end))
    offsets = (_offset(process, earliest[process], latest[process]) for process in latest)
    return tuple(found for found in offsets if found is not None)


def shifted(spans: Sequence[Span], offsets: Sequence[ClockOffset]) -> tuple[Span, ...]:
    """Return the spans in the server's time."""
    if not offsets:
        return tuple(spans)
    by_process = {(o.service, o.instance): timedelta(seconds=o.seconds) for o in offsets}
    return tuple(
        _moved(span, by_process[_process(span)]) if _process(span) in by_process else span
        for span in spans
    )


def _moved(span: Span, offset: timedelta) -> Span:
    return replace(
        span,
        start=span.start - offset,
        end=span.end - offset if span.end else None,
        events=tuple(replace(event, at=event.at - offset) for event in span.events),
    )


def _offset(
    process: Process, earliest: Sequence[float], latest: Sequence[float]
) -> ClockOffset | None:
    """Return the difference within its bounds; None when it may be zero or the bounds disagree."""
    most = min(latest)
    least = max(earliest) - LATE_END_SECONDS if earliest else None
    if least is not None and least > most:
        if least - most > NOISE_SECONDS:
            return None
        least = most = (least + most) / 2
    if most < -NOISE_SECONDS:
        seconds = most if least is None else (least + most) / 2
    elif least is not None and least > NOISE_SECONDS:
        seconds = (least + most) / 2
    else:
        return None
    within = 0.0 if least is None else (most - least) / 2
    return ClockOffset(*process, round(seconds, 6), round(within, 6))


def _is_attempt(span: Span) -> bool:
    return span.service_name == SERVER_SERVICE and span.name.startswith(ATTEMPT_SPAN)


def _process(span: Span) -> Process:
    return span.service_name, span.instance


def _seconds(server: datetime, agent: datetime) -> float:
    return (agent - server).total_seconds()
