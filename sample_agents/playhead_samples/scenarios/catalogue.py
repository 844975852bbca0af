"""Every scenario, by name."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

import playhead_samples.scenarios as room
from playhead_samples.scenarios.model import Scenario

__all__ = ["UnknownScenario", "everything", "families", "find"]


class UnknownScenario(LookupError):  # noqa: N818 - reads as what it says
    """No scenario has that name; `near` holds names that look like it."""

    def __init__(self, name: str, near: list[str]) -> None:
        super().__init__(f"no scenario is called {name!r}")
        self.near = near


@cache
def families() -> tuple[tuple[str, tuple[Scenario, ...]], ...]:
    """Title and scenarios of every family: a file here that has `SCENARIOS`."""
    found: list[tuple[str, tuple[Scenario, ...]]] = []
    for module in sorted(m.name for m in pkgutil.iter_modules(room.__path__)):
        family = importlib.import_module(f"{room.__name__}.{module}")
        scenarios: tuple[Scenario, ...] = getattr(family, "SCENARIOS", ())
        if scenarios:
            title = str(family.__doc__).splitlines()[0].removesuffix(".")
            found.append((title, scenarios))
    return tuple(found)


def everything() -> dict[str, Scenario]:
    """Name to scenario, family by family."""
    return {s.name: s for _, scenarios in families() for s in scenarios}


def find(name: str) -> Scenario:
    """The scenario of that name. Raises UnknownScenario."""
    known = everything()
    if name not in known:
        raise UnknownScenario(name, difflib.get_close_matches(name, known, n=3, cutoff=0.4))
    return known[name]
