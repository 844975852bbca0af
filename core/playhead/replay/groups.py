"""Differences of a report, grouped by their cause."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playhead.replay.divergence import Divergence

__all__ = ["DifferenceGroup", "groups_of"]

_MESSAGE_NUMBER = re.compile(r"^message \d+ ")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class DifferenceGroup:
    """One change of the code, and every command that it affects."""

    divergences: tuple[Divergence, ...]
    """In the order of the journal; never empty."""
    indexes: tuple[int, ...]
    """Their positions in `Report.divergences`."""

    @property
    def example(self) -> Divergence:
        """The first of them."""
        return self.divergences[0]

    @property
    def places(self) -> tuple[str, ...]:
        """The commands, each once: `#12`, or `command 3` if the journal has no such command."""
        return tuple(dict.fromkeys(d.place for d in self.divergences))

    @property
    def cause(self) -> str:
        """The change in words, such as `tools reordered` or `Run Get weather: renamed`."""
        example = self.example
        if example.cause:
            return example.cause
        return f"{example.name}: {example.kind}" if example.name else example.kind

    @property
    def title(self) -> str:
        """The cause with the affected commands, such as `tools reordered, in 2 model calls: …`."""
        if len(self.places) == 1:
            named = f"{self.places[0]} {self.example.name}".rstrip()
            return f"{named}: {self.example.cause or self.example.kind}"
        unit = "model calls" if self.example.cause else "commands"
        return f"{self.cause}, in {len(self.places)} {unit}: {', '.join(self.places)}"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document; `divergences` are positions in the report's list."""
        return {
            "cause": self.cause,
            "fatal": self.example.fatal,
            "places": list(self.places),
            "divergences": list(self.indexes),
        }


def groups_of(divergences: Sequence[Divergence]) -> tuple[DifferenceGroup, ...]:
    """Return the groups, in the order of their first difference.

    Two differences of model calls have the same cause if their kinds and values are equal, apart
    from digits: prompts can contain times and counters. Other differences also need the same
    command and the same digits.
    """
    found: dict[tuple[Any, ...], list[int]] = {}
    for index, divergence in enumerate(divergences):
        found.setdefault(_key(divergence), []).append(index)
    return tuple(
        DifferenceGroup(tuple(divergences[i] for i in indexes), tuple(indexes))
        for indexes in found.values()
    )


def _key(divergence: Divergence) -> tuple[Any, ...]:
    sides = (divergence.recorded, divergence.current)
    if not divergence.cause:
        return (divergence.kind, divergence.name, divergence.fatal, *sides)
    return (divergence.kind, divergence.cause, divergence.fatal, *map(_without_numbers, sides))


def _without_numbers(text: str | None) -> str | None:
    return None if text is None else _DIGITS.sub("0", _MESSAGE_NUMBER.sub("", text))
