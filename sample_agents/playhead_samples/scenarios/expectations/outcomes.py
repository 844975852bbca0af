"""Expectations on the outcome, checked without Playhead.

The sources are the server's SQL API, the tools' own counts, and the log of the LLM server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from playhead_samples.scenarios.scenario import AtLeast, CheckResult
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun


@dataclass(frozen=True, slots=True)
class StatusIs:
    """An invocation `succeeded`, `failed`, or has this status of the server."""

    expected: str
    name: str = "run"

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare with the server's status."""
        return CheckResult.compare(f"{self.name}: status", self.expected, run.status(self.name))


@dataclass(frozen=True, slots=True)
class AnswerContains:
    """The result of an invocation contains a text."""

    text: str
    name: str = "run"

    def check(self, run: ScenarioRun) -> CheckResult:
        """Search the result that the ingress returns."""
        return _contains(f"{self.name}: answer", run.fill(self.text), str(run.output(self.name)))


@dataclass(frozen=True, slots=True)
class FailureContains:
    """The error of a failed invocation contains a text."""

    text: str
    name: str = "run"

    def check(self, run: ScenarioRun) -> CheckResult:
        """Search the server's error."""
        failure = str(run.row(self.name).get("completion_failure"))
        return _contains(f"{self.name}: failure", self.text, failure)


@dataclass(frozen=True, slots=True)
class SideEffects:
    """A tool's side effect happened this many times."""

    effect: str
    times: int | AtLeast = 1
    details: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """Details that the side effect must have; `{key}` is replaced with the run's key."""

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare with the tools' own count."""
        details = {k: run.fill(v) if isinstance(v, str) else v for k, v in self.details.items()}
        observed = sum(
            e.name == self.effect and details.items() <= e.details.items()
            for e in run.side_effects()
        )
        suffix = "".join(f", {k} {v}" for k, v in self.details.items())
        return CheckResult.compare(f"side effect {self.effect}{suffix}", self.times, observed)


@dataclass(frozen=True, slots=True)
class SideEffectOrder:
    """These side effects happened in this order, each as often as listed."""

    effects: tuple[str, ...]

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare with the tools' own count."""
        observed = [e.name for e in run.side_effects() if e.name in self.effects]
        return CheckResult.compare(
            "order of side effects", _sequence(self.effects), _sequence(observed)
        )


@dataclass(frozen=True, slots=True)
class LlmRequests:
    """This many requests reached the LLM."""

    times: int | AtLeast
    agent: str | None = None

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare with the LLM server's log."""
        observed = sum(self.agent in (None, e["agent"]) for e in run.llm_requests())
        agent = f" of agent {self.agent}" if self.agent else ""
        return CheckResult.compare(f"LLM requests{agent}", self.times, observed)


@dataclass(frozen=True, slots=True)
class InjectedLlmFaults:
    """The LLM failed as intended: the number of injected faults by kind."""

    faults: dict[str, int] = field(hash=False)

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare with the LLM server's log."""
        observed = Counter(str(e["fault"]) for e in run.llm_requests() if e["fault"])
        return CheckResult.compare("injected LLM faults", _counts(self.faults), _counts(observed))


@dataclass(frozen=True, slots=True)
class JournalSteps:
    """The journal has this many steps with this name."""

    step: str
    times: int | AtLeast = 1
    name: str = "run"

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare with the server's journal."""
        observed = run.count_steps(self.name, self.step)
        return CheckResult.compare(
            f"{self.name}: journaled steps {self.step!r}", self.times, observed
        )


@dataclass(frozen=True, slots=True)
class EventContains:
    """The server has an event for an invocation that contains a text, such as `RT0016`."""

    text: str
    name: str = "run"

    def check(self, run: ScenarioRun) -> CheckResult:
        """Search the server's events."""
        events = run.events(self.name)
        ok = any(self.text in event for event in events)
        kinds = _counts(Counter(event.split()[0] for event in events)) or "no events"
        observed = f"{'found' if ok else 'not found'} in {kinds}"
        return CheckResult(f"{self.name}: events", f"… {self.text} …", observed, ok)


@dataclass(frozen=True, slots=True)
class StateContains:
    """A state entry of a virtual object contains a text."""

    service: str
    key: str
    entry: str
    text: str
    """`{key}` is replaced with the run's key."""

    def check(self, run: ScenarioRun) -> CheckResult:
        """Search the server's state."""
        rows = run.query(
            f"SELECT value_utf8 FROM state WHERE service_name = '{self.service}' "
            f"AND service_key = '{run.fill(self.key)}' AND key = '{self.entry}'"
        )
        value = str(rows[0]["value_utf8"]) if rows else "no such entry"
        return _contains(f"state {self.service}/{self.entry}", run.fill(self.text), value)


@dataclass(frozen=True, slots=True)
class StartedLater:
    """An invocation did not start before its time."""

    seconds: float
    """Least time between sending the request and the start."""
    name: str = "run"

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare with the start time on the server."""
        running_at = run.row(self.name).get("running_at")
        delay = (
            datetime.fromisoformat(running_at).timestamp() - run.sent_at[self.name]
            if running_at
            else -1.0
        )
        return CheckResult(
            f"{self.name}: start",
            f"at least {self.seconds:g} s after the request",
            f"{delay:.1f} s after the request" if running_at else "not started",
            delay >= self.seconds,
        )


@dataclass(frozen=True, slots=True, init=False)
class CompletionOrder:
    """These invocations completed in this order."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare with the completion times on the server."""
        ends = {name: run.row(name).get("completed_at") for name in self.names}
        observed = [f"{name} not completed" for name, at in ends.items() if not at]
        observed += sorted((n for n in self.names if ends[n]), key=lambda name: str(ends[name]))
        return CheckResult.compare(
            "order of completion", _sequence(self.names), _sequence(observed)
        )


@dataclass(frozen=True, slots=True)
class SameInvocation:
    """Two requests were attached to the same invocation."""

    first: str
    second: str

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare the ids that the ingress returned."""
        same = run.invocation_id(self.first) == run.invocation_id(self.second)
        observed = "one invocation" if same else "two invocations"
        return CheckResult.compare(f"{self.first} and {self.second}", "one invocation", observed)


def _contains(subject: str, text: str, observed: str) -> CheckResult:
    return CheckResult(subject, f"… {text} …", observed, text in observed)


def _sequence(names: tuple[str, ...] | list[str]) -> str:
    return " → ".join(names)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()))
