"""Expectations on the spans in the store."""

from __future__ import annotations

from dataclasses import dataclass

from playhead.conventions import ATTEMPT_SPAN, name_sql

from playhead_samples.scenarios.scenario import AtLeast, CheckResult
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun


@dataclass(frozen=True, slots=True)
class AttemptSpans:
    """The store has this many attempts of an invocation."""

    times: int | AtLeast
    name: str = "run"

    def check(self, run: ScenarioRun) -> CheckResult:
        """Count the server's `invocation-attempt` spans."""
        invocation = run.invocation_id(self.name)
        observed = len(run.spans(f"{name_sql(ATTEMPT_SPAN)} AND invocation_id = '{invocation}'"))
        return CheckResult.compare(f"{self.name}: stored attempts", self.times, observed)


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
