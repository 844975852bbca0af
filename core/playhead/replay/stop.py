"""A stop of a replay: the next command of the code, with stack, state and conversation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from playhead.replay.divergence import place_of

__all__ = ["Frame", "Stop", "TaskStack"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One level of a call stack, with its variables as text."""

    file: str
    line: int
    function: str
    variables: dict[str, str] = field(default_factory=dict[str, str])
    """Shortened `repr` of each local variable."""

    @property
    def where(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class TaskStack:
    """The user's frames of one asyncio task, innermost first."""

    task: str
    """Name of the task; empty for the one that writes the command."""
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """The moment just before the code writes a command."""

    command_index: int
    """Ordinal of the command in this run; Input is 0."""
    title: str
    """Type and name, such as `Run get_weather`."""
    type: str
    name: str
    recorded_command_index: int | None
    """Ordinal of the recorded command that answers it; None if the journal has none."""
    journal_index: int | None
    """Journal index of that command."""
    notification_index: int | None
    """Journal index of its result."""
    result: Any = None
    """Its recorded result, decoded; None while it is missing."""
    failure: str | None = None
    """The terminal error that is its recorded result."""
    where: str | None = None
    """`file:line` of the user's code."""
    stacks: tuple[TaskStack, ...] = ()
    """The stack that writes the command, then those of the waiting tasks."""
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    """State that the handler has read or written so far, decoded."""
    arguments: Any = None
    """Arguments of a step: `{"args": […], "kwargs": {…}, "variables": {…}}`."""
    conversation: tuple[dict[str, str], ...] = ()
    """Messages of the last model call so far: `{"role", "text"}`."""
    asks_model: bool = False
    """Whether this is a model call."""
    divergences: tuple[str, ...] = ()
    """Kinds of difference at this command; see `Divergence.kind`."""

    @property
    def place(self) -> str:
        """`#12` (journal index), or `command 3` if the journal has no such command."""
        return place_of(self.journal_index, self.command_index)

    @property
    def differs(self) -> bool:
        """Whether the command differs from the journal or is missing in it."""
        return bool(self.divergences) or self.journal_index is None

    @property
    def frame(self) -> Frame | None:
        """The user's innermost frame."""
        return self.stacks[0].frames[0] if self.stacks and self.stacks[0].frames else None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Stop:
        """Return the stop in a document of `to_json`."""
        stacks = tuple(
            TaskStack(s["task"], tuple(Frame(**f) for f in s["frames"])) for s in document["stacks"]
        )
        values: dict[str, Any] = {
            **document,
            "stacks": stacks,
            "conversation": tuple(document["conversation"]),
            "divergences": tuple(document["divergences"]),
        }
        return cls(**values)
