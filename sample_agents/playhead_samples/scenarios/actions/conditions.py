"""Actions that wait for a condition. A scenario never sleeps for a fixed time."""

from __future__ import annotations

from dataclasses import dataclass

from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class WaitForStatus:
    """Wait until an invocation has this status, in the server's terms."""

    status: str
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.name} is {self.status}"

    def play(self, run: ScenarioRun) -> None:
        """Wait. Raises ScenarioError on a timeout."""
        run.wait(
            lambda: run.row(self.name).get("status") == self.status,
            seconds=self.seconds,
            what=str(self),
        )


def completed(*names: str, seconds: float = SECONDS) -> tuple[WaitForStatus, ...]:
    """Wait until these invocations (default: `run`) have completed."""
    return tuple(WaitForStatus("completed", name, seconds) for name in names or ("run",))


@dataclass(frozen=True, slots=True)
class WaitForSideEffect:
    """Wait until a tool's side effect has happened this often."""

    effect: str
    times: int = 1
    seconds: float = SECONDS

    def __str__(self) -> str:
        count = "" if self.times == 1 else f" {self.times} times"
        return f"wait until the side effect {self.effect} has happened{count}"

    def play(self, run: ScenarioRun) -> None:
        """Wait. Raises ScenarioError on a timeout."""
        run.wait(
            lambda: sum(e.name == self.effect for e in run.side_effects()) >= self.times,
            seconds=self.seconds,
            what=str(self),
        )


@dataclass(frozen=True, slots=True)
class WaitForLlmRequest:
    """Wait until this many requests have reached the LLM."""

    times: int
    agent: str | None = None
    seconds: float = SECONDS

    def __str__(self) -> str:
        agent = f" of agent {self.agent}" if self.agent else ""
        return f"wait until request {self.times}{agent} reaches the LLM"

    def play(self, run: ScenarioRun) -> None:
        """Wait. Raises ScenarioError on a timeout."""
        run.wait(
            lambda: sum(self.agent in (None, e["agent"]) for e in run.llm_requests()) >= self.times,
            seconds=self.seconds,
            what=str(self),
        )


@dataclass(frozen=True, slots=True)
class WaitForStep:
    """Wait until the journal has a step with this name; earlier steps are durable by then."""

    step: str
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.name} reaches the step {self.step!r}"

    def play(self, run: ScenarioRun) -> None:
        """Wait. Raises ScenarioError on a timeout."""
        run.wait(
            lambda: run.count_steps(self.name, self.step) > 0, seconds=self.seconds, what=str(self)
        )


@dataclass(frozen=True, slots=True)
class WaitForEvent:
    """Wait until the server has an event for the invocation that contains a text."""

    text: str
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.name} has an event that contains {self.text}"

    def play(self, run: ScenarioRun) -> None:
        """Wait. Raises ScenarioError on a timeout."""

        def found() -> bool:
            run.row(self.name)  # reports changes of the status
            return any(self.text in event for event in run.events(self.name))

        run.wait(found, seconds=self.seconds, what=str(self))


@dataclass(frozen=True, slots=True)
class WaitForSpans:
    """Wait until the recorder has this many spans; `kill -9` loses the ones not sent yet."""

    times: int
    prefix: str = "chat"
    """First word of the spans' names, such as `chat` or `invocation-attempt`."""
    seconds: float = SECONDS

    def __str__(self) -> str:
        spans = f"{self.times} {self.prefix} span{'' if self.times == 1 else 's'}"
        return f"wait until the recorder has {spans}"

    def play(self, run: ScenarioRun) -> None:
        """Wait. Raises ScenarioError on a timeout."""
        run.wait(
            lambda: len(run.spans(f"name LIKE '{self.prefix} %'")) >= self.times,
            seconds=self.seconds,
            what=str(self),
        )


@dataclass(frozen=True, slots=True)
class WaitForAttempts:
    """Wait until the server has counted this many attempts in a row without progress."""

    times: int
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.name} has had {self.times} attempts in a row"

    def play(self, run: ScenarioRun) -> None:
        """Wait. Raises ScenarioError on a timeout."""
        run.wait(
            lambda: (run.row(self.name).get("retry_count") or 0) >= self.times,
            seconds=self.seconds,
            what=str(self),
        )
