"""Actions that wait for a condition. A scenario never sleeps for a fixed time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun

SECONDS = 30.0


class _Wait(ABC):
    """A wait until `_met` is true; errors name the condition by the action's text."""

    __slots__ = ()
    seconds: float

    def play(self, run: ScenarioRun) -> None:
        """Wait. Raises ScenarioError on a timeout."""
        run.wait(lambda: self._met(run), seconds=self.seconds, what=str(self))

    @abstractmethod
    def _met(self, run: ScenarioRun) -> bool: ...


@dataclass(frozen=True, slots=True)
class WaitForStatus(_Wait):
    """Wait until an invocation has this status, in the server's terms."""

    status: str
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.name!r} is {self.status}"

    def _met(self, run: ScenarioRun) -> bool:
        return run.row(self.name).get("status") == self.status


def completed(*names: str, seconds: float = SECONDS) -> tuple[WaitForStatus, ...]:
    """Wait until these invocations (default: `run`) have completed."""
    return tuple(WaitForStatus("completed", name, seconds) for name in names or ("run",))


@dataclass(frozen=True, slots=True)
class WaitForSideEffect(_Wait):
    """Wait until a tool's side effect has happened this many times."""

    effect: str
    times: int = 1
    seconds: float = SECONDS

    def __str__(self) -> str:
        count = "" if self.times == 1 else f" {self.times} times"
        return f"wait until the side effect {self.effect} has happened{count}"

    def _met(self, run: ScenarioRun) -> bool:
        return sum(e.name == self.effect for e in run.side_effects()) >= self.times


@dataclass(frozen=True, slots=True)
class WaitForLlmRequest(_Wait):
    """Wait until this many requests have reached the LLM."""

    times: int
    agent: str | None = None
    seconds: float = SECONDS

    def __str__(self) -> str:
        agent = f" of agent {self.agent}" if self.agent else ""
        return f"wait until request {self.times}{agent} reaches the LLM"

    def _met(self, run: ScenarioRun) -> bool:
        return sum(self.agent in (None, e["agent"]) for e in run.llm_requests()) >= self.times


@dataclass(frozen=True, slots=True)
class WaitForStep(_Wait):
    """Wait until the journal has a step with this name; earlier steps are durable by then."""

    step: str
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.name!r} reaches the step {self.step!r}"

    def _met(self, run: ScenarioRun) -> bool:
        return run.count_steps(self.name, self.step) > 0


@dataclass(frozen=True, slots=True)
class WaitForEvent(_Wait):
    """Wait until the server has an event for the invocation that contains a text."""

    text: str
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.name!r} has an event that contains {self.text}"

    def _met(self, run: ScenarioRun) -> bool:
        run.row(self.name)  # reports changes of the status
        return any(self.text in event for event in run.events(self.name))


@dataclass(frozen=True, slots=True)
class WaitForSpans(_Wait):
    """Wait until the recorder has this many spans; `kill -9` loses the ones not sent yet."""

    times: int
    prefix: str = "chat"
    """First word of the spans' names, such as `chat` or `invocation-attempt`."""
    seconds: float = SECONDS

    def __str__(self) -> str:
        spans = f"{self.times} {self.prefix} span{'' if self.times == 1 else 's'}"
        return f"wait until the recorder has {spans}"

    def _met(self, run: ScenarioRun) -> bool:
        return len(run.spans(f"name LIKE '{self.prefix} %'")) >= self.times


@dataclass(frozen=True, slots=True)
class WaitForAttempts(_Wait):
    """Wait until the server has counted this many attempts in a row without progress."""

    times: int
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.name!r} has had {self.times} attempts in a row"

    def _met(self, run: ScenarioRun) -> bool:
        return (run.row(self.name).get("retry_count") or 0) >= self.times
