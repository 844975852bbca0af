"""Which of the operating system's protections surround a replay, as its own process measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

__all__ = ["Boundary", "Isolation"]

Boundary = Literal["network", "files", "sockets", "processes"]
"""What native code cannot reach or leave behind: the network, files to write, Unix sockets of other
programs, and processes that run on."""

_BOUNDARIES: tuple[Boundary, ...] = get_args(Boundary)


_OF_LIVE: Mapping[Boundary, str] = {
    "files": "can write only in the app's folder and a scratch folder",
    "processes": "leave no process behind",
}


@dataclass(frozen=True, slots=True)
class Isolation:
    """The measured isolation of a process that runs the user's code.

    Python's audit hook blocks side effects of Python code in every case. The mechanisms listed here
    belong to the operating system and apply to native code, too.
    """

    held: Mapping[Boundary, tuple[str, ...]] = field(default_factory=dict[Boundary, Any])
    """The mechanisms that hold each boundary; empty for a boundary that nothing holds."""
    unavailable: Mapping[str, str] = field(default_factory=dict[str, str])
    """Mechanisms that this system does not offer, each with the reason."""
    live: bool = False
    """Whether live steps can run in the process, which has the network and programs then."""

    @property
    def complete(self) -> bool:
        """Whether at least one mechanism holds each boundary."""
        return not self.open

    @property
    def open(self) -> tuple[Boundary, ...]:
        """The boundaries that only the audit hook holds."""
        return tuple(name for name in _BOUNDARIES if not self.held.get(name))

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """All mechanisms, each once."""
        return tuple(dict.fromkeys(m for name in _BOUNDARIES for m in self.held.get(name, ())))

    @property
    def sentence(self) -> str:
        """The isolation in one line."""
        if self.live:
            return self.live_sentence
        closed = [name for name in _BOUNDARIES if name not in self.open]
        by = f" ({', '.join(self.mechanisms)})" if closed else ""
        if self.complete:
            return f"no {_listed(closed, 'or')}, also for native code{by}"
        alone = f"only Python's audit hook protects {_listed(self.open, 'and')}"
        if not closed:
            return alone
        return f"no {_listed(closed, 'or')}, also for native code{by}; {alone}"

    @property
    def live_sentence(self) -> str:
        """The isolation of a process with live steps, in one line."""
        held = [what for name, what in _OF_LIVE.items() if self.held.get(name)]
        if not held:
            return "live steps are not isolated"
        return f"live steps {' and '.join(held)} ({', '.join(self.mechanisms)})"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return {
            "complete": self.complete,
            "live": self.live,
            "held": {name: list(self.held.get(name, ())) for name in _BOUNDARIES},
            "unavailable": dict(self.unavailable),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Isolation:
        """Return the isolation in a document of `to_json`."""
        held: dict[Boundary, tuple[str, ...]] = {
            name: tuple(map(str, document["held"].get(name, ()))) for name in _BOUNDARIES
        }
        reasons = {str(name): str(why) for name, why in document["unavailable"].items()}
        return cls(held, reasons, document.get("live") is True)


def _listed(names: list[str] | tuple[str, ...], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
