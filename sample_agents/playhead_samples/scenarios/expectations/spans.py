"""Expectations on the spans in the store."""

from __future__ import annotations

from dataclasses import dataclass

from playhead.conventions import ATTEMPT_SPAN, name_sql

from playhead_samples.scenarios.scenario import AtLeast, CheckResult
from playhead_samples.scenarios.testbed.independent_counts import begun_attempts
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun


@dataclass(frozen=True, slots=True)
class AttemptSpans:
    """The store has the attempts that the server began, and there were enough of them."""

    times: int | AtLeast
    """Least number of attempts that the scenario causes; a busy machine can cause more."""
    name: str = "run"

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare the server's `invocation-attempt` spans with its debug log."""
        invocation = run.invocation_id(self.name)
        least = self.times.number if isinstance(self.times, AtLeast) else self.times
        counted = begun_attempts(run)[invocation]
        observed = len(run.spans(f"{name_sql(ATTEMPT_SPAN)} AND invocation_id = '{invocation}'"))
        lost = run.server_spans_lost
        return CheckResult(
            f"{self.name}: stored attempts",
            f"{'at most ' if lost else ''}{counted}, at least {least} happened",
            str(observed),
            counted >= least and (observed <= counted if lost else observed == counted),
        )


@dataclass(frozen=True, slots=True)
class ChatSpans:
    """The store has one `chat` span per LLM request: none is missing, no replayed one is added."""

    lost: int = 0
    """Requests in flight when the process was killed; their spans were never sent."""

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare the store with the LLM server's log."""
        expected = len(run.llm_requests()) - self.lost
        observed = len(run.spans("name LIKE 'chat %'"))
        lost = f" (without {self.lost} lost by kill -9)" if self.lost else ""
        return CheckResult.compare(f"stored chat spans = LLM requests{lost}", expected, observed)


@dataclass(frozen=True, slots=True)
class StepExecutions:
    """A step was executed this many times, including failed tries and excluding replays."""

    step: str
    times: int | AtLeast

    def check(self, run: ScenarioRun) -> CheckResult:
        """Count the tracing bridge's `run {step}` spans."""
        observed = len(run.spans(f"name = 'run {self.step}'"))
        return CheckResult.compare(f"stored executions of {self.step!r}", self.times, observed)
