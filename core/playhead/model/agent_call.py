"""Single calls of models and tools, out of many invocations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from playhead.model.llm import Cost

__all__ = ["AgentCall", "AgentCallPage", "CallChoice", "CallKind", "CallOrder", "CallOutcome"]

CallKind = Literal["model", "tool"]
CallOutcome = Literal["succeeded", "failed", "interrupted", "not ended"]
"""`interrupted`: its span ended without an answer. `not ended`: its span is pending, or was lost
with its process."""
CallOrder = Literal["newest", "slowest", "tokens", "cost"]
"""The newest, slowest, most expensive calls, or those with the most tokens first."""


@dataclass(frozen=True, slots=True)
class AgentCall:
    """One call of a model or a tool."""

    kind: CallKind
    agent: str
    """Name of the agent; empty if it is unknown."""
    name: str
    """Name of the model or tool; empty if it is unknown."""
    outcome: CallOutcome
    started_at: datetime
    """Start of the span; of an answer that only the journal shows, its time."""
    seconds: float | None
    """From start to end; None if that was not recorded."""
    repeated: bool = False
    """Whether it repeated an earlier call of the same step."""
    provider: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    """The part of the input tokens that was read from a cache."""
    reasoning_tokens: int | None = None
    """The part of the output tokens that the model thought with."""
    cost: Cost | None = None
    """None for tools, and for models that did not answer."""
    invocation_id: str | None = None
    target: str | None = None
    """Target of the invocation; None if it was not copied."""
    trace_id: str | None = None
    """None for an answer that only the journal shows."""
    span_id: str | None = None
    index: int | None = None
    """Journal index of the step; only of an answer that no span shows."""


@dataclass(frozen=True, slots=True)
class CallChoice:
    """Which calls are wanted; the default is all."""

    kind: CallKind | None = None
    agent: str | None = None
    """Name of the agent; the empty text stands for calls without one."""
    name: str | None = None
    """Name of the model or tool; the empty text stands for calls without one."""
    outcome: CallOutcome | None = None
    repeated: bool = False
    """Whether only calls that repeated an earlier one are wanted."""


@dataclass(frozen=True, slots=True)
class AgentCallPage:
    """The first calls in an order."""

    rows: tuple[AgentCall, ...]
    more: bool = False
    """Whether more calls were chosen than are in `rows`."""
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""
