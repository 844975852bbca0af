"""Actions that wait until something is so. Nothing in a scenario sleeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playhead_samples.scenarios.world import World

__all__ = [
    "Asked",
    "Happened",
    "Is",
    "Noted",
    "Reached",
    "Recorded",
    "Tried",
    "ended",
]

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Is:
    """Until an invocation has this status, in the server's words."""

    status: str
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.name} is {self.status}"

    def play(self, world: World) -> None:
        """Wait."""
        world.wait(
            lambda: world.row(self.name).get("status") == self.status,
            seconds=self.seconds,
            what=str(self),
        )


def ended(*names: str, seconds: float = SECONDS) -> tuple[Is, ...]:
    """Until these invocations (by default the one called `run`) have completed."""
    return tuple(Is("completed", name, seconds) for name in names or ("run",))


@dataclass(frozen=True, slots=True)
class Happened:
    """Until a tool has acted this often."""

    effect: str
    times: int = 1
    seconds: float = SECONDS

    def __str__(self) -> str:
        often = "" if self.times == 1 else f" {self.times} times"
        return f"wait until {self.effect} has happened{often}"

    def play(self, world: World) -> None:
        """Wait."""
        world.wait(
            lambda: sum(e.name == self.effect for e in world.effects()) >= self.times,
            seconds=self.seconds,
            what=str(self),
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """Until this many requests have reached the LLM."""

    times: int
    agent: str | None = None
    seconds: float = SECONDS

    def __str__(self) -> str:
        whose = f" of {self.agent}" if self.agent else ""
        return f"wait until request {self.times}{whose} reaches the LLM"

    def play(self, world: World) -> None:
        """Wait."""
        world.wait(
            lambda: sum(self.agent in (None, e["agent"]) for e in world.model_log()) >= self.times,
            seconds=self.seconds,
            what=str(self),
        )


@dataclass(frozen=True, slots=True)
class Reached:
    """Until the journal holds a step of that name: what came before it is safe there."""

    step: str
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.name} has reached {self.step!r}"

    def play(self, world: World) -> None:
        """Wait."""
        world.wait(
            lambda: world.steps(self.name, self.step) > 0, seconds=self.seconds, what=str(self)
        )


@dataclass(frozen=True, slots=True)
class Noted:
    """Until the server has noted an event that has this in it, such as `RT0016`."""

    part: str
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until the server has noted {self.part} at {self.name}"

    def play(self, world: World) -> None:
        """Wait."""
        world.wait(self._seen(world), seconds=self.seconds, what=str(self))

    def _seen(self, world: World) -> Callable[[], bool]:
        def seen() -> bool:
            world.row(self.name)  # so that its changes are told
            return any(self.part in event for event in world.events(self.name))

        return seen


@dataclass(frozen=True, slots=True)
class Recorded:
    """Until the recorder has this many spans of a kind: kill -9 loses what was not sent yet."""

    times: int
    kind: str = "chat"
    """What the spans' names begin with: LLM calls, `invocation-attempt`, and so on."""
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.times} {self.kind} spans are recorded"

    def play(self, world: World) -> None:
        """Wait."""
        world.wait(
            lambda: len(world.spans(f"name LIKE '{self.kind} %'")) >= self.times,
            seconds=self.seconds,
            what=str(self),
        )


@dataclass(frozen=True, slots=True)
class Tried:
    """Until the server has counted this many tries in a row."""

    times: int
    name: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.name} has been tried {self.times} times"

    def play(self, world: World) -> None:
        """Wait."""
        world.wait(
            lambda: (world.row(self.name).get("retry_count") or 0) >= self.times,
            seconds=self.seconds,
            what=str(self),
        )
