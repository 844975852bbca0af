"""Every scenario, by name."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

import playhead_samples.scenarios as room
from playhead_samples.scenarios.model import Scenario

__all__ = ["UnknownScenario", "everything", "find"]


class UnknownScenario(LookupError):  # noqa: N818 - reads as what it says
    """No scenario has that name; `near` holds names that look like it."""

    def __init__(self, name: str, near: list[str]) -> None:
        super().__init__(f"no scenario is called {name!r}")
        self.near = near


@cache
def everything() -> dict[str, Scenario]:
    """Name to scenario, family by family; a family is a file here that has `SCENARIOS`."""
    found: dict[str, Scenario] = {}
    for module in pkgutil.iter_modules(room.__path__):
        family = importlib.import_module(f"{room.__name__}.{module.name}")
        for scenario in getattr(family, "SCENARIOS", ()):
            assert scenario.name not in found, f"two scenarios are called {scenario.name}"
            found[scenario.name] = scenario
    return found


def find(name: str) -> Scenario:
    """The scenario of that name. Raises UnknownScenario."""
    known = everything()
    if name not in known:
        raise UnknownScenario(name, difflib.get_close_matches(name, known, n=3, cutoff=0.4))
    return known[name]
