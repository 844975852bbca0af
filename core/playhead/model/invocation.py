"""Invocations: a row of the list, a page of rows, and one in detail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from playhead.model.attempt import Attempt
from playhead.model.clock_offset import ClockOffset
from playhead.model.llm import Cost, Tokens
from playhead.model.span import Span
from playhead.model.status import ENDED, Status
from playhead.model.step import Step, StepEvent
from playhead.model.timeline import TimelineRow
from playhead.model.times import Phase, Times
from playhead.model.waiting import Waiting

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
    """Number of attempts; None when it is not certain."""
    attempts_at_least: int = 0
    """Number of attempts that are known to have happened."""
    suspensions: int | None = None
    """Number of attempts that ended with a suspension; None when it is not certain."""
    llm_calls: int | None = None
    tokens: Tokens | None = None
    cost: Cost | None = None
    """Cost of its LLM calls; None when they were not recorded."""
    models: tuple[str, ...] = ()
    """Models that answered, in order of their first answer."""
    agents: tuple[str, ...] = ()
    """Agents whose model calls were answered, in order of their first answer."""
    copied_llm_calls: int | None = None
    """Number of model answers that a restart copied from `restarted_from`, which counts them; None
    when it was not read."""
    retry_count: int = 0
    """The server's count for the current series of retries; not the number of attempts."""
    last_failure: str | None = None
    next_retry_at: datetime | None = None
    scheduled_for: datetime | None = None
    """Time for which it was scheduled; None when it was to start at once."""
    invoked_by: str | None = None
    """Id of the invocation that called this one."""
    restarted_from: str | None = None
    """Id of the invocation that this one is a restart of."""
    times: Times | None = None
    """Time spent queued, running and waiting; None when it was not read."""
    waiting: Waiting | None = None
    """Why it makes no progress; None while it runs, after its end, or when unknown."""
    trace_id: str | None = None
    deployment_id: str | None = None
    cluster: str | None = None
    """Cluster of its server; None if it was recorded before this was kept."""
    origin: Origin = "live"
    """`stored` when the server has purged it or does not answer."""

    @property
    def ended(self) -> bool:
        """Whether it succeeded, failed, was killed or cancelled."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class InvocationPage:
    """A page of invocations, newest first unless another order was requested."""

    rows: tuple[Invocation, ...]
    more: bool
    """Whether older invocations exist."""
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""
    copying: tuple[str, ...] = ()
    """The part of `missing` about what the recorder has not copied from the server yet."""
    sources: tuple[Origin, ...] = ()
    """The sources that were read; empty when neither the server nor the store can be read."""
    ordered: bool = True
    """False if the requested order needs a recorder; the newest come first instead."""


@dataclass(frozen=True, slots=True)
class InvocationDetail:
    """One invocation with its steps, attempts, spans and timeline."""

    summary: Invocation
    steps: tuple[Step, ...]
    attempts: tuple[Attempt, ...]
    spans: tuple[Span, ...]
    timeline: tuple[TimelineRow, ...]
    state: Mapping[str, Any]
    """Decoded state of its virtual object or workflow; empty for a service."""
    events: tuple[StepEvent, ...] = ()
    """Failures and pauses that belong to no step, oldest first."""
    ended_at: datetime | None = None
    """Where its timeline ends: its completion, or the last known change of one that is gone.

    None while it has not ended.
    """
    phases: tuple[Phase, ...] = ()
    """How it spent its time, in order, as far as known; the sums are `summary.times`."""
    clocks: tuple[ClockOffset, ...] = ()
    """Processes whose clock differs from the server's. The times of their spans are corrected."""
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""

    def times_at(self, now: datetime) -> Times | None:
        """Return the parts of its time, with the current one up to `now`."""
        times, phases = self.summary.times, self.phases
        if times is None or not phases or phases[-1].ended_at is not None:
            return times
        current = phases[-1].kind
        if getattr(times, current) is None:
            return times
        seconds = sum(
            ((phase.ended_at or now) - phase.started_at).total_seconds()
            for phase in phases
            if phase.kind == current
        )
        return replace(times, **{current: max(0.0, seconds)})
