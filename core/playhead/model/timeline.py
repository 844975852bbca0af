"""Rows of the timeline: attempts, steps and spans in one tree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from playhead.model.span import Span
from playhead.model.step import Step, StepState

__all__ = ["TimelineRow"]


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One row of the timeline: an attempt, a step or a span."""

    key: str
    """Identity, unchanged by a refresh: `step:3`, `span:<id>`, `attempt:2`."""
    depth: int
    kind: Literal["attempt", "step", "span"]
    label: str
    started_at: datetime | None
    ended_at: datetime | None
    state: StepState
    attempt: int | None
    step: Step | None = None
    span: Span | None = None
    failed_tries: tuple[tuple[datetime, datetime], ...] = ()
    """Intervals of failed tries; the time between them is backoff."""
    note: str | None = None
    """`orphan` (its parent is not in the store), `cycle`, `interrupted`, `replayed` or `try 2`."""
