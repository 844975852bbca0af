"""Rows of the timeline, which merges attempts, steps and spans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from playhead.model.span import Span
from playhead.model.step import Step, StepState

__all__ = ["TimelineRow"]


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One bar of the merged waterfall: a journal step, a span, or an attempt."""

    key: str
    """Identity that survives refreshes: `step:3`, `span:<id>`, `attempt:2`."""
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
    """Intervals inside the bar that failed attempts took; the rest up to the last is backoff."""
    note: str | None = None
    """`orphan` (its parent was never recorded), `cycle`, `interrupted`; shown to the user."""
