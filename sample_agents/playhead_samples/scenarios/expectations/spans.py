"""Expectations on the spans in the store."""

from __future__ import annotations

from dataclasses import dataclass

from playhead_samples.scenarios.scenario import AtLeast, Check
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun


@dataclass(frozen=True, slots=True)
class AttemptSpans:
    """The store has this many attempts of an invocation."""

    times: int | AtLeast
    name: str = "run"

    def check(self, run: ScenarioRun) -> Check:
        """Count the server's `invocation-attempt` spans."""
        invocation = run.invocation_id(self.name)
        observed = len(
            run.spans(f"name LIKE 'invocation-attempt%' AND invocation_id = '{invocation}'")
        )
        return Check.compare(f"{self.name}: stored attempts", self.times, observed)


@dataclass(frozen=True, slots=True)
class ChatSpans:
    """The store has one `chat` span per LLM request: none is missing, no replayed one is added."""

    lost: int = 0
    """Requests in flight when the process was killed; their spans were never sent."""

    def check(self, run: ScenarioRun) -> Check:
        """Compare the store with the LLM server's log."""
        expected = len(run.llm_requests()) - self.lost
        observed = len(run.spans("name LIKE 'chat %'"))
        lost = f" (without {self.lost} lost by kill -9)" if self.lost else ""
        return Check.compare(f"stored chat spans = LLM requests{lost}", expected, observed)


@dataclass(frozen=True, slots=True)
class StepExecutions:
    """A step was executed this often, including failed tries and excluding replays."""

    step: str
    times: int | AtLeast

    def check(self, run: ScenarioRun) -> Check:
        """Count the tracing bridge's `run {step}` spans."""
        observed = len(run.spans(f"name = 'run {self.step}'"))
        return Check.compare(f"stored executions of {self.step!r}", self.times, observed)
