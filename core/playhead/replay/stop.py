"""One position of the playhead: what the code is about to do, and everything around it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Frame", "Stop", "TaskStack"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One level of a call stack, with its variables as text."""

    file: str
    line: int
    function: str
    variables: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def where(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class TaskStack:
    """The user's frames of one task, innermost first."""

    task: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """The moment just before a command is written."""

    index: int
    """Ordinal of the command in this run; Input is 0."""
    title: str
    """Such as `Run get_weather`."""
    type: str
    name: str
    recorded_index: int | None
    """Ordinal of the command in the journal that answers it; None: the journal has none."""
    entry: int | None
    """Its index in the journal."""
    result_entry: int | None
    """Journal index of its result."""
    result: Any = None
    """Its recorded result, decoded; None where there is none yet."""
    failure: str | None = None
    """The terminal error that is its recorded result."""
    where: str | None = None
    """`file:line` of the user's code."""
    stacks: tuple[TaskStack, ...] = ()
    """The stack that asks for it first, then the tasks that wait meanwhile."""
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    """State as far as the handler has seen it, decoded."""
    arguments: Any = None
    """What a step was given."""
    conversation: tuple[dict[str, str], ...] = ()
    """Messages that the last model call so far was given: `{"role", "text"}`."""
    asks_model: bool = False
    """Whether this is a model call."""
    divergences: tuple[str, ...] = ()
    """Kinds of difference at this command."""

    @property
    def frame(self) -> Frame | None:
        """The user's innermost frame."""
        return self.stacks[0].frames[0] if self.stacks and self.stacks[0].frames else None

    def to_json(self) -> dict[str, Any]:
        """A JSON document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Stop:
        """The stop that `to_json` described."""
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
