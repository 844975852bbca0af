"""Rows of the timeline: attempts, steps and spans in one tree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from playhead.model.span import Span
from playhead.model.step import Step, StepState
from playhead.model.times import Phase

__all__ = ["TimelineRow"]


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One row of the timeline: an attempt, a step, a span or a notice."""

    key: str
    """Identity, unchanged by a refresh: `step:3`, `span:<id>`, `attempt:2`.

    For a row of a called invocation, the keys of the rows that called it precede: `step:3>step:1`.
    """
    depth: int
    kind: Literal["attempt", "step", "span", "notice"]
    """`notice`: a sentence in place of the rows of a called invocation."""
    label: str
    started_at: datetime | None
    ended_at: datetime | None
    state: StepState
    attempt: int | None
    step: Step | None = None
    span: Span | None = None
    failed_tries: tuple[tuple[datetime, datetime], ...] = ()
    """Intervals of the tries that did not succeed."""
    gaps: tuple[tuple[datetime, datetime | None], ...] = ()
    """Intervals in which it did not execute: backoff, suspension, other attempts. The end is None
    while the interval lasts."""
    ran: float | None = None
    """Seconds that it executed, without the gaps; None while it executes and for waiting steps."""
    note: str | None = None
    """Remarks, separated by commas: `orphan` (its parent is not in the store), `parent still open`
    (its parent arrives when it ends), `cycle`, `interrupted`, `replayed`, `try 2`, `lost with the
    process`, `copied` (by a restart, from the original), and others in plain words."""
    phases: tuple[Phase, ...] = ()
    """Intervals outside the row that belong to its attempt: the queue before the first one, and
    suspension or backoff after it. Without attempts, the row of the input has the queue."""
    invocation_id: str | None = None
    """The called invocation that the row belongs to; None for the invocation's own rows."""
