"""Plays many scenarios, on as few stacks as they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from playhead.settings import Settings

from playhead_samples.scenarios.engine import Outcome, Say, play
from playhead_samples.scenarios.process import Nursery, WarmAgents
from playhead_samples.scenarios.scenario import Needs, Scenario
from playhead_samples.stack import Stack

__all__ = ["Shown", "run", "stack_for"]

COMMON = {"PLAYHEAD_LLM_TIMEOUT": "5", "OTEL_BSP_SCHEDULE_DELAY": "100"}
"""For every stack's agents: they give up on the LLM soon, and send their spans at once."""

Shown = Callable[[Settings, str], None]
"""Receives how to reach the stack, and the invocation to look at."""


def run(
    scenarios: Iterable[Scenario],
    folder: Path,
    say: Say,
    shown: Shown = lambda settings, invocation: None,
) -> Iterator[Outcome]:
    """Play them one after the other; those with equal needs share a stack.

    After a scenario that did not go as expected, the next one gets a fresh stack.

    Args:
        scenarios: what to play.
        folder: an empty one; each stack gets a folder in it.
        say: told what happens, line by line.
        shown: called after each scenario, while its stack still runs.

    Raises:
        ProcessError: a process of a stack does not come up.
        ServerNotFoundError: there is no restate-server.
    """
    groups: dict[Needs, list[Scenario]] = {}
    for scenario in scenarios:
        groups.setdefault(scenario.needs, []).append(scenario)
    number = 0
    for needs, members in groups.items():
        waiting = list(members)
        while waiting:
            number += 1
            place = folder / f"{number}-{needs.name}"
            with stack_for(needs, place, say) as stack:
                while waiting:
                    scenario = waiting.pop(0)
                    say(f"{scenario.name}: {scenario.title}")
                    outcome = play(scenario, stack, say, _bound(shown, stack))
                    yield outcome
                    if not outcome.ok:
                        break


def stack_for(needs: Needs, folder: Path, say: Say) -> Stack:
    """A stack as these needs want it, with agents that restart at once; not started yet."""
    stack = Stack(folder, agent_env={**COMMON, **needs.agents}, say=say)
    nursery = Nursery(stack.agents)
    stack.agents = WarmAgents(nursery, stack.agents_port, last=True)
    return stack


def _bound(shown: Shown, stack: Stack) -> Callable[[str], None]:
    return lambda invocation: shown(stack.settings, invocation)
