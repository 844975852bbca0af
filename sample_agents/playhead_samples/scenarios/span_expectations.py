"""Expectations on what the recorder shows, held against counts that owe nothing to it."""

from __future__ import annotations

from dataclasses import dataclass

from playhead_samples.scenarios.scenario import AtLeast, Check
from playhead_samples.scenarios.world import World

__all__ = ["Attempts", "ModelSpans", "Ran"]


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often the server began to execute an invocation."""

    times: int | AtLeast
    name: str = "run"

    def check(self, world: World) -> Check:
        """By the recorded `invocation-attempt` spans."""
        invocation = world.id_of(self.name)
        seen = len(
            world.spans(f"name LIKE 'invocation-attempt%' AND invocation_id = '{invocation}'")
        )
        return Check.of(f"{self.name}: attempts recorded", self.times, seen)


@dataclass(frozen=True, slots=True)
class ModelSpans:
    """As many `chat` spans as requests reached the LLM: none lost, no replayed one added."""

    lost: int = 0
    """Requests that were on their way when the process was killed with kill -9."""

    def check(self, world: World) -> Check:
        """The recorder against the LLM server's log."""
        expected = len(world.model_log()) - self.lost
        seen = len(world.spans("name LIKE 'chat %'"))
        less = f" (all but the {self.lost} killed on the way)" if self.lost else ""
        return Check.of(f"chat spans recorded = requests to the LLM{less}", expected, seen)


@dataclass(frozen=True, slots=True)
class Ran:
    """How often a step was really executed, failed executions included, replays not."""

    step: str
    times: int | AtLeast

    def check(self, world: World) -> Check:
        """By the recorded `run {step}` spans of the bridge."""
        seen = len(world.spans(f"name = 'run {self.step}'"))
        return Check.of(f"executions of {self.step!r} recorded", self.times, seen)
