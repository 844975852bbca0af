"""Steps: what the commands of a journal did."""

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
