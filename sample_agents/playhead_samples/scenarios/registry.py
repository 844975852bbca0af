"""All scenarios, by family and by name."""

from __future__ import annotations

import difflib

from playhead_samples.scenarios.families import (
    approvals,
    cancellations,
    code_changes,
    crashes,
    llm_failures,
    recording_gaps,
    request_delivery,
    restarts,
    tool_failures,
)
from playhead_samples.scenarios.scenario import Scenario

__all__ = ["UnknownScenarioError", "all_scenarios", "families", "find"]

FAMILIES = (
    tool_failures,
    llm_failures,
    crashes,
    approvals,
    request_delivery,
    cancellations,
    restarts,
    code_changes,
    recording_gaps,
)


class UnknownScenarioError(LookupError):
    """No scenario has this name."""

    def __init__(self, name: str, similar: list[str]) -> None:
        super().__init__(f"No scenario is named {name!r}")
        self.similar = similar
        """Similar names, best match first."""


def families() -> tuple[tuple[str, tuple[Scenario, ...]], ...]:
    """Return the title and the scenarios of every family."""
    return tuple(
        (str(family.__doc__).splitlines()[0].removesuffix("."), family.SCENARIOS)
        for family in FAMILIES
    )


def all_scenarios() -> dict[str, Scenario]:
    """Return every scenario by name, in the order of the families."""
    return {s.name: s for _, scenarios in families() for s in scenarios}


def find(name: str) -> Scenario:
    """Return the scenario with this name. Raises UnknownScenarioError."""
    scenarios = all_scenarios()
    if name not in scenarios:
        similar = difflib.get_close_matches(name, scenarios, n=3, cutoff=0.4)
        raise UnknownScenarioError(name, similar)
    return scenarios[name]
