"""Groups over many invocations: equal failures, and what agents called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from playhead.model.llm import Cost

__all__ = ["AgentFigures", "AgentReport", "FailureGroup", "FailureGroups", "FigureKind"]

FigureKind = Literal["model", "tool", "step"]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures with the same type of error, step, service and place in the code."""

    fingerprint: str
    error: str
    """Type of the error, or its message without variable parts."""
    step: str
    """Name of the step, or type of the command; empty outside of them."""
    service: str
    place: str
    """File and function outside of installed packages; empty without a stack trace."""
    line: int | None
    """Line of the latest failure."""
    count: int
    """Number of recorded failures; Restate does not record one that equals the previous one."""
    terminal: int
    """Number of those that ended their invocation."""
    invocations: int
    stuck: int
    """Number of its invocations that are paused or backing off."""
    first_at: datetime
    last_at: datetime
    trend: tuple[int, ...]
    """Failures over time, in periods of equal length between `FailureGroups.since` and `until`."""
    deployments: tuple[str, ...]
    message: str
    """Message of the latest failure."""
    example: str
    """Id of the invocation of the latest failure."""
    stacktrace: str | None = None
    """Stack trace of the latest failure."""


@dataclass(frozen=True, slots=True)
class FailureGroups:
    """Groups of failures, the most frequent first."""

    groups: tuple[FailureGroup, ...]
    total: int
    """Number of groups, also of those that were left out."""
    failures: int
    """Number of failures in all groups."""
    since: datetime | None = None
    """Time of the first failure; None without failures."""
    until: datetime | None = None
    """Time of the last failure."""
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """Calls of one model, tool or step by one agent."""

    kind: FigureKind
    agent: str
    """Name of the agent; for steps, name of the service; empty if it is unknown."""
    name: str
    """Name of the model, tool or step."""
    calls: int
    """Calls that were answered, tools that returned, steps that have a result."""
    errors: int
    """Calls that failed."""
    retries: int
    """Calls that repeated an earlier one."""
    invocations: int
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """The part of the input tokens that was read from a cache."""
    reasoning_tokens: int = 0
    """The part of the output tokens that the model thought with."""
    cost: Cost | None = None
    """None for tools and steps."""
    p50_seconds: float | None = None
    """Median of the seconds that a call took; None if no duration was recorded."""
    p95_seconds: float | None = None
    trend: tuple[int, ...] = ()
    """Calls over time, also failed ones, in periods of equal length between `AgentReport.since` and
    `until`; empty for steps."""


@dataclass(frozen=True, slots=True)
class AgentReport:
    """Figures of agents: models first, then tools and steps."""

    rows: tuple[AgentFigures, ...]
    since: datetime | None = None
    """Start of the first call of a model or tool; None without such calls."""
    until: datetime | None = None
    """Start of the last one."""
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""
