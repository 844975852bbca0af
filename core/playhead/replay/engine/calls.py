"""A durable operation as the running code asks for it, next to commands of a journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playhead.decode.prompts import Messages
from playhead.journal.commands import Key

__all__ = ["Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """One command that the code is about to write."""

    index: int
    """Ordinal among the commands of this run; Input is 0."""
    type: str
    about: str
    """Step name, `service/handler`, state key, promise name; empty where there is none."""
    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    """The further contents of the command: parameter, value, duration, …"""
    where: str | None = None
    """`file:line` of the user's code."""
    arguments: Any = None
    """Of a step: what its closure was given, as JSON data; None for other commands."""
    messages: Messages | None = None
    """Of a step that asks a model: the prompt; None where nobody asked for it, or it is unsure."""

    @property
    def key(self) -> Key:
        """Type and what it is about."""
        return (self.type, self.about)

    @property
    def title(self) -> str:
        """As people call it: `Run get_weather`."""
        return f"{self.type} {self.about}".strip()
