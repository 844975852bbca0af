"""What the reader returns: plain frozen rows, times as UTC datetimes, durations in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Status = Literal[
    "pending", "scheduled", "inboxed", "ready", "running", "backing-off",
    "suspended", "paused", "succeeded", "failed", "killed", "cancelled", "unknown",
]  # fmt: skip
"""Status of an invocation as people read it.

The server's words, with its `completed` split by its result: `succeeded` and `failed`
(`killed` and `cancelled` where the failure says so). `unknown`: nobody can tell.
"""

StepKind = Literal[
    "input", "output", "run", "llm", "tool", "state", "sleep", "call", "send", "awakeable",
    "promise", "signal", "attach", "cancel", "other",
]  # fmt: skip

StepState = Literal["done", "pending", "failed", "retrying"]

Origin = Literal["live", "recorded"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts of LLM answers that really were produced (replays never count)."""

    input: int = 0
    output: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.input + other.input, self.output + other.output)

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class InvocationSummary:
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
    """`recorded` when the server does not have it any more, or is away."""

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.status in ("succeeded", "failed", "killed", "cancelled")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation with a model, in OpenTelemetry GenAI's parts."""

    role: str
    parts: tuple[Mapping[str, Any], ...]
    """Each has a `type` (`text`, `tool_call`, `tool_call_response`, `thinking`, …)."""

    @property
    def text(self) -> str:
        """The text parts, joined."""
        texts = (p.get("content", "") for p in self.parts if p.get("type") == "text")
        return "\n".join(str(t) for t in texts)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that a model asked for, or the execution of one."""

    name: str
    arguments: Any
    call_id: str | None = None
    result: Any = None


@dataclass(frozen=True, slots=True)
class LlmCall:
    """One answer of a model."""

    model: str | None
    provider: str | None
    tokens: Tokens | None
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    prompt: tuple[Message, ...] | None = None
    """From the span; None where no span was recorded or content capture is off."""
    response: tuple[Message, ...] = ()
    cache_read_tokens: int = 0
    """Those of the input tokens that came from the provider's cache."""
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class StepEvent:
    """A failed attempt or a pause that the server noted at a step."""

    at: datetime
    kind: str
    """`TransientError`, `Paused`, …: the server's word."""
    message: str
    stacktrace: str | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the journal with what belongs to it, or a signal, which has no command."""

    index: int
    """The journal index of the command row; of a signal, its notification's, and -1 for an
    awakeable that is still waited for, of which the journal holds nothing yet."""
    command_index: int | None
    """Ordinal among commands; Input is 0. None for signals and awakeables."""
    kind: StepKind
    type: str
    """The server's entry type, such as `Command: Run`."""
    name: str
    state: StepState
    started_at: datetime | None
    ended_at: datetime | None
    """When the command's result was appended; None while it waits."""
    completion_id: int | None = None
    notification_index: int | None = None
    attempt: int | None = None
    """Number (from 1) of the attempt that appended the command, when spans tell."""
    input: Any = None
    """What went in, decoded: arguments, parameters of a call, a state value set."""
    output: Any = None
    """What came out, decoded: JSON where it is JSON, else text, else bytes."""
    error: str | None = None
    """The terminal error that the journal holds as this step's result."""
    llm: LlmCall | None = None
    tool: ToolCall | None = None
    child_id: str | None = None
    """Id of the invocation that a call, send or attach refers to."""
    awakeable_id: str | None = None
    state_key: str | None = None
    wake_at: datetime | None = None
    events: tuple[StepEvent, ...] = ()
    raw_length: int | None = None
    """Bytes of its payloads in the journal."""
    truncated: bool = False
    """Whether payloads were too large to be read along; `Reader.payload` gives them."""


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """An event on a span."""

    name: str
    at: datetime
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Span:
    """A finished or still open span as the recorder holds it."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    service_name: str
    scope_name: str
    start: datetime
    end: datetime | None
    """None while it is open."""
    status: Literal["unset", "ok", "error"]
    status_message: str
    attributes: Mapping[str, Any]
    events: tuple[SpanEvent, ...] = ()
    invocation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of the handler, from the server's `invocation-attempt` span."""

    number: int
    span_id: str
    started_at: datetime
    ended_at: datetime | None
    outcome: Literal["completed", "failed", "suspended", "running", "interrupted"]
    error: str | None = None


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


@dataclass(frozen=True, slots=True)
class InvocationDetail:
    """Everything about one invocation."""

    summary: InvocationSummary
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


@dataclass(frozen=True, slots=True)
class InvocationPage:
    """The newest invocations, and what is missing from the picture."""

    rows: tuple[InvocationSummary, ...]
    more: bool
    """Whether older ones exist beyond the limit."""
    missing: tuple[str, ...] = ()
