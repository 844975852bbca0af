"""Invocations: a row of the list, a page of rows, and everything about one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from playhead.model.attempt import Attempt
from playhead.model.llm import Tokens
from playhead.model.span import Span
from playhead.model.status import ENDED, Status
from playhead.model.step import Step, StepEvent
from playhead.model.timeline import TimelineRow

__all__ = ["Invocation", "InvocationDetail", "InvocationPage", "Origin"]

Origin = Literal["live", "stored"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One row of the invocation list."""

    id: str
    target: str
    service: str
    handler: str
    key: str | None
    status: Status
    created_at: datetime
    modified_at: datetime | None = None
    completed_at: datetime | None = None
    attempts: int | None = None
    """Counted from the server's attempt spans; None while nobody recorded them."""
    llm_calls: int | None = None
    tokens: Tokens | None = None
    retry_count: int = 0
    """The server's counter of the current series of retries; not the number of attempts."""
    last_failure: str | None = None
    next_retry_at: datetime | None = None
    invoked_by: str | None = None
    """Id of the invocation that called this one."""
    trace_id: str | None = None
    deployment_id: str | None = None
    origin: Origin = "live"
    """`stored` when the server no longer has it, or does not answer."""

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class InvocationPage:
    """The newest invocations, and what is missing from the picture."""

    rows: tuple[Invocation, ...]
    more: bool
    """Whether older ones exist beyond the limit."""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InvocationDetail:
    """Everything about one invocation."""

    summary: Invocation
    steps: tuple[Step, ...]
    attempts: tuple[Attempt, ...]
    spans: tuple[Span, ...]
    timeline: tuple[TimelineRow, ...]
    state: Mapping[str, Any]
    """State of the virtual object or workflow it ran on, decoded; empty for services."""
    events: tuple[StepEvent, ...] = ()
    """Failures and pauses that the server related to no step, oldest first."""
    missing: tuple[str, ...] = ()
    """What could not be read and why, in sentences for people."""
