"""Steps: journal commands with their results."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from playhead.model.llm import LlmCall, ToolCall

__all__ = ["Step", "StepEvent", "StepKind", "StepState", "Try", "TryState", "Wait"]

StepKind = Literal[
    "input", "output", "run", "llm", "tool", "state", "sleep", "call", "send", "awakeable",
    "promise", "signal", "attach", "cancel", "other",
]  # fmt: skip

StepState = Literal[
    "done", "pending", "failed", "retrying", "interrupted", "lost", "unfinished"
]  # fmt: skip
"""State of a step, and of a row of the timeline.

`interrupted`: its attempt ended before it did. `lost`: its end was not recorded, because its
process died. `unfinished`: it got no result before the invocation ended.
"""

TryState = Literal["done", "failed", "running", "interrupted", "lost"]


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
class Try:
    """One execution of a durable step."""

    number: int
    """From 1."""
    state: TryState
    started_at: datetime | None
    """None when only its failure was recorded."""
    ended_at: datetime | None
    """None while it runs; the end of its attempt when its own end was not recorded."""
    attempt: int | None
    """Number of the attempt in which it ran; None when it is unknown."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """The time after a try until the next one: backoff and the start of the next attempt."""

    started_at: datetime
    ended_at: datetime | None
    """None while it lasts."""
    at_most: bool = False
    """Whether it ended earlier, at an unknown time: the start of the next try was not recorded."""


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
    """Time at which the command's result was appended; None while it is pending.

    The end of the invocation when the step is `unfinished`.
    """
    completion_id: int | None = None
    notification_index: int | None = None
    attempt: int | None = None
    """Number (from 1) of the attempt that it belongs to; None without attempt spans.

    A durable step belongs to the attempt that produced its result, or ran it last; other steps
    belong to the attempt that appended the command.
    """
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
    tries: tuple[Try, ...] = ()
    """Executions of a durable step, in order of time; empty for other steps."""
    waits: tuple[Wait, ...] = ()
    """Times between the tries, and after the last one if it failed."""
    more_tries: bool = False
    """Whether there may be more tries: the server does not record an error that equals the
    previous one."""
    start_estimated: bool = False
    """Whether `started_at` is an estimate: the journal does not have the start of an awakeable."""
    note: str | None = None
    """How an `unfinished` step ended, such as `not finished: the invocation was killed`."""
    raw_length: int | None = None
    """Size of its payloads in bytes."""
    request_id: str | None = None
    """Id of the span with the prompt of an LLM step, if the prompt was left out; see
    `Span.truncated`."""
    truncated: bool = False
    """Whether payloads were too large to be read with the journal; see `Reader.payload`."""

    @property
    def began_at(self) -> datetime | None:
        """Time of its first try, or of its entry if that is earlier; None if both are unknown.

        A handler executes a durable step while the server appends its entry.
        """
        first = self.tries[0].started_at if self.tries else None
        return min(filter(None, (self.started_at, first)), default=None)
