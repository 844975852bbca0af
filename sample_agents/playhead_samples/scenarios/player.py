"""The player: runs one scenario on a running stack and checks its expectations."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
from playhead.conventions import END_SPAN, name_sql
from playhead.errors import PlayheadError

from playhead_samples.scenarios.expectations import EveryViewAgrees, ShownAnswers, ShownStatuses
from playhead_samples.scenarios.scenario import CheckResult, Scenario
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun
from playhead_samples.stack import Report, Stack

__all__ = ["COMMON_EXPECTATIONS", "ScenarioResult", "play"]

ERRORS = (PlayheadError, httpx.HTTPError)
NOT_COMPLETED = "status <> 'completed'"
MARKER_CITY = "Marker"
SETTLE_SECONDS = 20.0

COMMON_EXPECTATIONS = (ShownStatuses(), ShownAnswers(), EveryViewAgrees())
"""Checked after every scenario."""


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """Result of a scenario."""

    scenario: Scenario
    checks: tuple[CheckResult, ...]
    seconds: float
    invocation_id: str | None
    """The main invocation; None when its request was never sent."""

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return bool(self.checks) and all(check.ok for check in self.checks)


def play(
    scenario: Scenario,
    stack: Stack,
    report: Report,
    show: Callable[[str], None],
    *,
    observe: Callable[[ScenarioRun], object] = lambda run: None,
) -> ScenarioResult:
    """Play a scenario, check its expectations, and restore the stack.

    When a check fails, the stack is left as it is and must not be used again.

    Args:
        scenario: the scenario to play.
        stack: a running stack with the scenario's options.
        report: receives progress, line by line.
        show: called with the id of the main invocation before the stack is restored.
        observe: called with the run at the same time.
    """
    started = time.monotonic()

    def report_with_time(line: str) -> None:
        report(f"{time.monotonic() - started:5.1f} s  {line}")

    run = ScenarioRun(stack, scenario.name, report_with_time)
    run.journals_missing = scenario.stack.recorder_admin_url is not None
    try:
        checks = [*_checks(scenario, run)]
        invocation = run.invocations.get(scenario.main_invocation)
        if invocation:
            show(invocation)
        observe(run)
        if all(check.ok for check in checks):
            checks += _restore(run)
    finally:
        if run.slow_proxy is not None:
            run.slow_proxy.close()
    return ScenarioResult(scenario, tuple(checks), time.monotonic() - started, invocation)


def _checks(scenario: Scenario, run: ScenarioRun) -> Iterator[CheckResult]:
    try:
        for fault in (*scenario.tool_faults, *scenario.llm_faults):
            run.report(f"inject a fault: {fault}")
        run.set_faults(scenario.tool_faults, scenario.llm_faults)
        for action in scenario.actions:
            run.report(str(action))
            action.play(run)
        run.report("wait until the recorder has every span")
        _wait_for_spans(run, bridge=scenario.stack.bridge)
    except ERRORS as error:
        run.report(f"stopped: {error}")
        yield CheckResult("actions", "all completed", str(error), ok=False)
    for expectation in (*scenario.expectations, *COMMON_EXPECTATIONS):
        try:
            yield expectation.check(run)
        except ERRORS as error:
            yield CheckResult(type(expectation).__name__, "can be checked", str(error), ok=False)


def _wait_for_spans(run: ScenarioRun, *, bridge: bool) -> None:
    """Wait until the recorder has every span of the scenario.

    Agents and server send their spans in the order in which they ended. Once the spans of a
    last request have arrived, all earlier ones have arrived as well.
    """
    run.remove_faults()
    run.restart_stopped()
    run.stop_counting()
    answer = run.ingress(
        "WeatherAgent/run/send", {"message": f"What is the weather in {MARKER_CITY}?"}
    ).json()
    marker = run.marker = answer["invocationId"]

    # Without the bridge, the spans of agents do not name their invocation.
    of_agent = (
        f"invocation_id = '{marker}'"
        if bridge
        else f"start_unix_nano >= {int((run.ended_at or 0) * 1e9)}"
    )

    def complete() -> bool:
        rows = run.query_store(
            f"SELECT count(*) FILTER (name LIKE 'invoke_agent%' AND {of_agent}) AS agent, "
            f"count(*) FILTER ({name_sql(END_SPAN)} AND invocation_id = '{marker}') AS server "
            "FROM spans WHERE end_unix_nano > 0"
        )
        return bool(rows[0]["agent"] and rows[0]["server"])

    run.wait(complete, seconds=SETTLE_SECONDS, what="wait until the recorder has every span")


def _restore(run: ScenarioRun) -> Iterator[CheckResult]:
    """End all remaining invocations: the next scenario needs an idle stack."""
    try:
        run.clean_up()
        for row in run.query(f"SELECT id FROM sys_invocation_status WHERE {NOT_COMPLETED}"):
            run.stack.admin("PATCH", f"/invocations/{row['id']}/kill")
        run.wait(
            lambda: (
                not run.query(f"SELECT id FROM sys_invocation_status WHERE {NOT_COMPLETED} LIMIT 1")
            ),
            seconds=SETTLE_SECONDS,
            what="wait until every invocation has completed",
        )
    except ERRORS as error:
        yield CheckResult("stack", "restored", str(error), ok=False)
