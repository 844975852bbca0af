"""A tracing case, and the expected content of its trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tracing_bed import Bed

LOOK = [["look", {"name": "a"}]]


@dataclass(frozen=True)
class Outcome:
    """The expected content of a trace, from the counts of model, tools and steps."""

    invocation_id: str
    spans: Counter[str]
    """Number of the agent's spans by name."""
    errors: Counter[str] = field(default_factory=Counter[str])
    """Number of the spans with status ERROR, by name."""
    journal: list[dict[str, Any]] | None = None
    """The journal's entries when the server is gone; else the bed's server has them."""
    orphans: int = 0
    """Number of spans whose parent was open in a killed process."""
    sent: Counter[str] = field(default_factory=Counter[str])
    """Spans of one-way sends, for which Restate starts separate traces."""


@dataclass(frozen=True)
class Case:
    id: str
    title: str
    run: Callable[[Bed, str], Outcome]
    attempts: int | None = None
    """Planned number of attempts; None if further ones are possible."""


def outcome(
    bed: Bed,
    invocation_id: str,
    keys: list[str],
    others: dict[str, int],
    errors: dict[str, int] | None = None,
) -> Outcome:
    """Return the outcome from the counts of model calls and steps; `others`: agents and tools."""
    spans: Counter[str] = Counter(others)
    for key in keys:
        for what, count in bed.world.counts(key).items():
            kind, _, name = what.partition(" ")
            if kind == "chat":
                spans["chat scripted"] += count
                spans["run Model call"] += count
            elif kind == "step":
                spans[f"run {name}"] += count
            elif kind == "work":
                spans["run Calling work"] += count
            elif kind == "plain":
                spans["execute_tool plain"] += count
    return Outcome(invocation_id, +spans, Counter(errors or {}))
