"""What a scenario is: data, with actions and expectations that know how to be played."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from playhead_samples.llm.faults import Fault as ModelFault
from playhead_samples.tool_faults import Fault as ToolFault

if TYPE_CHECKING:
    from playhead_samples.scenarios.world import World

__all__ = [
    "IMPATIENT",
    "SHARED",
    "Action",
    "AtLeast",
    "Check",
    "Expectation",
    "ModelFault",
    "Needs",
    "Scenario",
    "ScenarioError",
    "ToolFault",
]


class ScenarioError(Exception):
    """A scenario could not be played to its end; the text says what did not happen."""


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A number with a lower limit only, where chance decides how much more it is."""

    number: int

    def __str__(self) -> str:
        return f"at least {self.number}"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the final table."""

    what: str
    expected: str
    observed: str
    ok: bool

    @classmethod
    def of(cls, what: str, expected: Any, observed: Any) -> Check:
        """Equal, or not less than an `AtLeast`."""
        ok = observed >= expected.number if isinstance(expected, AtLeast) else observed == expected
        return cls(what, str(expected), str(observed), bool(ok))


class Action(Protocol):
    """Something that is done, or waited for."""

    def __str__(self) -> str:
        """In words, for those who watch."""
        ...

    def play(self, world: World) -> None:
        """Do it. Raises ScenarioError when it cannot be done or does not come about."""
        ...


class Expectation(Protocol):
    """Something that must be true at the end."""

    def check(self, world: World) -> Check:
        """Look, and compare."""
        ...


@dataclass(frozen=True, slots=True)
class Needs:
    """What a stack must be like; scenarios with equal needs share one."""

    name: str
    agents: dict[str, str] = field(default_factory=dict[str, str], hash=False)
    """Further variables of the agents' process."""


SHARED = Needs("shared")
IMPATIENT = Needs("impatient", {"PLAYHEAD_RETRY_ATTEMPTS": "4"})
"""Agents whose invocations are paused after four attempts in a row, not twenty."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A failure, how it comes about, and what must be true afterwards."""

    name: str
    title: str
    breaks: str
    """What breaks."""
    restate: str
    """What Restate does about it."""
    look: str
    """What to look at in Playhead."""
    actions: tuple[Action, ...]
    expect: tuple[Expectation, ...]
    tools: tuple[ToolFault, ...] = ()
    """Faults of tools, declared before the first action."""
    model: tuple[ModelFault, ...] = ()
    """Faults of the LLM, armed before the first action."""
    needs: Needs = SHARED
    shows: str = "run"
    """The invocation to look at, by the name its request has in `actions`."""
