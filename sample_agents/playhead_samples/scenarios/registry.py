"""Every scenario, by name."""

from __future__ import annotations

import difflib

from playhead_samples.scenarios import approvals as people
from playhead_samples.scenarios import cancellations as cancels
from playhead_samples.scenarios import code_changes, crashes
from playhead_samples.scenarios import llm_failures as models
from playhead_samples.scenarios import request_delivery as messages
from playhead_samples.scenarios import tool_failures as tools
from playhead_samples.scenarios.scenario import Scenario

__all__ = ["UnknownScenarioError", "everything", "families", "find"]


class UnknownScenarioError(LookupError):
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
    """The scenario of that name. Raises UnknownScenarioError."""
    known = everything()
    if name not in known:
        raise UnknownScenarioError(name, difflib.get_close_matches(name, known, n=3, cutoff=0.4))
    return known[name]
