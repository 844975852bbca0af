"""Plays one scenario on a running stack, and compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
from playhead.errors import ProcessError, RecorderError

from playhead_samples.scenarios import fault_text as wording
from playhead_samples.scenarios.display_expectations import AnswersShown, StatusShown
from playhead_samples.scenarios.scenario import Check, Scenario, ScenarioError
from playhead_samples.scenarios.world import World
from playhead_samples.stack import Stack

__all__ = ["Outcome", "play"]

TROUBLE = (ScenarioError, ProcessError, RecorderError, httpx.HTTPError)
OPEN = "status <> 'completed'"
MARKER = "Marker"
MARKER_SECONDS = 20.0

ALWAYS = (StatusShown(), AnswersShown())
"""Held against the truth in every scenario."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a scenario went."""

    scenario: Scenario
    checks: tuple[Check, ...]
    seconds: float
    invocation_id: str | None
    """The one to look at; None when it was never sent."""

    @property
    def ok(self) -> bool:
        """Whether everything was as expected."""
        return bool(self.checks) and all(check.ok for check in self.checks)


def play(scenario: Scenario, stack: Stack, say: Say, shown: Callable[[str], None]) -> Outcome:
    """Play a scenario, compare, and leave the stack as it was found.

    When something is not as expected the stack is left as it is, to be thrown away.

    Args:
        scenario: what to play.
        stack: running, of the kind that the scenario needs.
        say: told what happens, line by line.
        shown: called with the id of the invocation to look at, before anything is cleared up.
    """
    started = time.monotonic()

    def tell(line: str) -> None:
        say(f"{time.monotonic() - started:5.1f} s  {line}")

    world = World(stack, scenario.name, tell)
    try:
        checks = [*_play(scenario, world)]
        invocation = world.invocations.get(scenario.shows)
        if invocation:
            shown(invocation)
        if all(check.ok for check in checks):
            checks += _clear_up(world)
    finally:
        if world.line is not None:
            world.line.close()
    return Outcome(scenario, tuple(checks), time.monotonic() - started, invocation)


def _play(scenario: Scenario, world: World) -> Iterator[Check]:
    try:
        for fault in scenario.tools:
            world.say(f"armed: {wording.of_tool_fault(fault)}")
        for fault in scenario.model:
            world.say(f"armed: {wording.of_model_fault(fault)}")
        world.arm(scenario.tools, scenario.model)
        for action in scenario.actions:
            world.say(str(action))
            action.play(world)
        world.say("wait until the recorder has every span")
        _settle(world)
    except TROUBLE as error:
        world.say(f"stopped: {error}")
        yield Check("the scenario could be played", "to its end", str(error), ok=False)
    for expectation in (*scenario.expect, *ALWAYS):
        try:
            yield expectation.check(world)
        except TROUBLE as error:
            yield Check(type(expectation).__name__, "can be checked", str(error), ok=False)


def _settle(world: World) -> None:
    """Wait until every span of the scenario is in the recorder.

    Agents and server send their spans in the order in which they ended. So a request sent
    after all others tells: once its spans are there, so are those before.
    """
    world.lift_faults()
    world.restore()
    world.end()
    answer = world.ingress(
        "WeatherAgent/run/send", {"message": f"What is the weather in {MARKER}?"}
    ).json()
    marker = answer["invocationId"]

    def recorded() -> bool:
        rows = world.recorded(
            "SELECT count(*) FILTER (name LIKE 'invoke_agent%') AS agent, "
            "count(*) FILTER (name LIKE 'invocation-end%') AS server "
            f"FROM spans WHERE invocation_id = '{marker}' AND end_unix_nano > 0"
        )
        return bool(rows[0]["agent"] and rows[0]["server"])

    world.wait(recorded, seconds=MARKER_SECONDS, what="the recorder has every span")


def _clear_up(world: World) -> Iterator[Check]:
    """End what is left, so that the next scenario begins on a quiet stack."""
    try:
        world.close()
        for row in world.sql(f"SELECT id FROM sys_invocation_status WHERE {OPEN}"):
            world.admin("PATCH", f"invocations/{row['id']}/kill")
        world.wait(
            lambda: not world.sql(f"SELECT id FROM sys_invocation_status WHERE {OPEN} LIMIT 1"),
            seconds=MARKER_SECONDS,
            what="every invocation has ended",
        )
    except TROUBLE as error:
        yield Check("the servers could be cleared up", "for the next", str(error), ok=False)
