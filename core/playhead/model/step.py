"""Steps: journal commands with their results."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from playhead.model.llm import LlmCall, ToolCall

__all__ = ["Step", "StepEvent", "StepKind", "StepState"]

StepKind = Literal[
    "input", "output", "run", "llm", "tool", "state", "sleep", "call", "send", "awakeable",
    "promise", "signal", "attach", "cancel", "other",
]  # fmt: skip

StepState = Literal["done", "pending", "failed", "retrying"]


@dataclass(frozen=True, slots=True)
class StepEvent:
    """A failure or a pause that the server relates to a step."""

    at: datetime
    kind: str
    """The server's event type, such as `TransientError` or `Paused`."""
    message: str
    stacktrace: str | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A journal command with its result, or a signal, which has no command."""

    index: int
    """Journal index of the command, or of a signal's notification; -1 for an unresolved awakeable,
    which has no entry."""
    command_index: int | None
    """Ordinal among commands; Input is 0. None for signals and awakeables."""
    kind: StepKind
    type: str
    """The server's entry type, such as `Command: Run`."""
    name: str
    state: StepState
    started_at: datetime | None
    ended_at: datetime | None
    """Time at which the command's result was appended; None while it is pending."""
    completion_id: int | None = None
    notification_index: int | None = None
    attempt: int | None = None
    """Number (from 1) of the attempt that appended the command; None without attempt spans."""
    input: Any = None
    """Decoded input: arguments, parameters of a call, or the state value that was set."""
    output: Any = None
    """Decoded output: JSON, else text, else bytes."""
    error: str | None = None
    """Terminal error that is the step's result."""
    llm: LlmCall | None = None
    tool: ToolCall | None = None
    child_id: str | None = None
    """Id of the invocation that a call, send or attach refers to."""
    awakeable_id: str | None = None
    state_key: str | None = None
    wake_at: datetime | None = None
    events: tuple[StepEvent, ...] = ()
    raw_length: int | None = None
    """Size of its payloads in bytes."""
    truncated: bool = False
    """Whether payloads were too large to be read with the journal; see `Reader.payload`."""
