"""Every scenario, by name."""

from __future__ import annotations

import difflib

from playhead_samples.scenarios import (
    cancels,
    code_changes,
    crashes,
    messages,
    models,
    people,
    tools,
)
from playhead_samples.scenarios.model import Scenario

__all__ = ["UnknownScenario", "everything", "families", "find"]


class UnknownScenario(LookupError):  # noqa: N818 - reads as what it says
    """No scenario has that name; `near` holds names that look like it."""

    def __init__(self, name: str, near: list[str]) -> None:
        super().__init__(f"no scenario is called {name!r}")
        self.near = near


FAMILIES = (tools, models, crashes, people, messages, cancels, code_changes)


def families() -> tuple[tuple[str, tuple[Scenario, ...]], ...]:
    """Title and scenarios of every family."""
    return tuple(
        (str(family.__doc__).splitlines()[0].removesuffix("."), family.SCENARIOS)
        for family in FAMILIES
    )


def everything() -> dict[str, Scenario]:
    """Name to scenario, family by family."""
    return {s.name: s for _, scenarios in families() for s in scenarios}


def find(name: str) -> Scenario:
    """The scenario of that name. Raises UnknownScenario."""
    known = everything()
    if name not in known:
        raise UnknownScenario(name, difflib.get_close_matches(name, known, n=3, cutoff=0.4))
    return known[name]
