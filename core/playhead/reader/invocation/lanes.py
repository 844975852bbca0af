"""The lanes of attempts: queue, suspension and backoff beside the attempts' own time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from playhead.formatting import duration, seconds_between
from playhead.model import InvocationDetail, Phase, TimelineRow

__all__ = ["with_phases"]

MINIMUM_SECONDS = 0.1
"""Shorter phases have no note."""


def with_phases(detail: InvocationDetail, phases: Sequence[Phase]) -> InvocationDetail:
    """Return the invocation with its phases, also on the rows of its attempts.

    Args:
        detail: The invocation.
        phases: How it spent its time, in order.
    """
    beside = _places(detail.timeline, [phase for phase in phases if phase.kind != "running"])
    rows = tuple(_with(row, beside[row.key]) for row in detail.timeline) if beside else None
    return replace(detail, phases=tuple(phases), timeline=rows or detail.timeline)


def _places(rows: Sequence[TimelineRow], phases: Sequence[Phase]) -> dict[str, list[Phase]]:
    """Return the phases by the key of their row."""
    attempts = [row for row in rows if row.kind == "attempt" and row.started_at]
    inputs = [row for row in rows if row.step and row.step.kind == "input"]
    found: dict[str, list[Phase]] = defaultdict(list)
    for phase in phases:
        before = [a for a in attempts if a.started_at and a.started_at <= phase.started_at]
        row = next(iter(before[-1:] or attempts[:1] or inputs[:1]), None)
        if row is not None:
            found[row.key].append(phase)
    return found


def _with(row: TimelineRow, phases: Sequence[Phase]) -> TimelineRow:
    if not phases:
        return row
    notes = [row.note] if row.note else []
    for phase in phases:
        took = seconds_between(phase.started_at, phase.ended_at)
        if took is not None and took >= MINIMUM_SECONDS:
            notes.append(f"{phase.kind} {duration(took)}")
    return replace(row, phases=tuple(phases), note=", ".join(notes) or None)
