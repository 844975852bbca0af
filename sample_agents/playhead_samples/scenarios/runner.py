"""The runner: plays many scenarios on as few stacks as their options allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from playhead.settings import Settings

from playhead_samples.scenarios.player import ScenarioResult, play
from playhead_samples.scenarios.scenario import Scenario, StackOptions
from playhead_samples.scenarios.testbed import server_log
from playhead_samples.scenarios.testbed.forked_agents import ForkedAgents, ForkServer
from playhead_samples.stack import Report, Stack

__all__ = ["Show", "create_stack", "run"]

COMMON_ENV = {"PLAYHEAD_LLM_TIMEOUT": "5", "OTEL_BSP_SCHEDULE_DELAY": "100"}
"""Variables of the agents of every stack: a short LLM timeout, and spans sent at once."""

Show = Callable[[Settings, str], None]
"""Receives the settings of the stack and the id of the main invocation."""


def run(
    scenarios: Iterable[Scenario],
    folder: Path,
    report: Report,
    show: Show = lambda settings, invocation: None,
) -> Iterator[ScenarioResult]:
    """Play scenarios in sequence; those with equal stack options share a stack.

    After a scenario that fails, the next one gets a new stack.

    Args:
        scenarios: the scenarios to play.
        folder: an empty folder; each stack gets a subfolder.
        report: receives progress, line by line.
        show: called after each scenario, while its stack is still running.

    Raises:
        ProcessError: a process of a stack did not start.
        ServerNotFoundError: no restate-server is installed.
    """
    groups: dict[StackOptions, list[Scenario]] = {}
    for scenario in scenarios:
        groups.setdefault(scenario.stack, []).append(scenario)
    number = 0
    for options, members in groups.items():
        remaining = list(members)
        while remaining:
            number += 1
            with create_stack(options, folder / f"{number}-{options.name}", report) as stack:
                while remaining:
                    scenario = remaining.pop(0)
                    report(f"{scenario.name}: {scenario.title}")
                    outcome = play(scenario, stack, report, _show_on(stack, show))
                    yield outcome
                    if not outcome.ok:
                        break


def create_stack(options: StackOptions, folder: Path, report: Report) -> Stack:
    """Return a stack with these options, whose agents restart fast; it is not started yet."""
    stack = Stack(
        folder,
        agent_env={**COMMON_ENV, **options.agent_env},
        server_env={**server_log.ENVIRONMENT, **options.server_env},
        recorder_admin_url=options.recorder_admin_url,
        report=report,
    )
    stack.agents = ForkedAgents(ForkServer(stack.agents), stack.agents_port, owns_fork_server=True)
    return stack


def _show_on(stack: Stack, show: Show) -> Callable[[str], None]:
    return lambda invocation: show(stack.settings, invocation)
