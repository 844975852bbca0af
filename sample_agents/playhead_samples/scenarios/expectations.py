"""Expectations on what really happened: the server's SQL, the tools' own counts, the LLM's log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from playhead_samples.scenarios.scenario import AtLeast, Check
from playhead_samples.scenarios.world import World

__all__ = [
    "Acted",
    "ActedInOrder",
    "Answer",
    "Asked",
    "Began",
    "Completed",
    "Fails",
    "Noted",
    "SameInvocation",
    "State",
    "Status",
    "Steps",
    "Struck",
]


@dataclass(frozen=True, slots=True)
class Status:
    """How an invocation stands: `succeeded`, `failed`, or the server's word for one not ended."""

    expected: str
    name: str = "run"

    def check(self, world: World) -> Check:
        """By the server's SQL."""
        return Check.of(f"{self.name}: status", self.expected, world.status(self.name))


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of an invocation has this in it."""

    part: str
    name: str = "run"

    def check(self, world: World) -> Check:
        """By the ingress."""
        output = str(world.output(self.name))
        return Check(
            f"{self.name}: answer", f"… {self.part} …", output, world.fill(self.part) in output
        )


@dataclass(frozen=True, slots=True)
class Fails:
    """An invocation failed for good, for this reason."""

    part: str
    name: str = "run"

    def check(self, world: World) -> Check:
        """By the server's SQL."""
        reason = str(world.row(self.name).get("completion_failure"))
        return Check(f"{self.name}: failure", f"… {self.part} …", reason, self.part in reason)


@dataclass(frozen=True, slots=True)
class Acted:
    """A tool had its side effect so often."""

    effect: str
    times: int | AtLeast = 1
    where: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """Details that it must have had; `{key}` is filled in."""

    def check(self, world: World) -> Check:
        """By the tools' own count."""
        details = {k: world.fill(v) if isinstance(v, str) else v for k, v in self.where.items()}
        seen = sum(
            e.name == self.effect and details.items() <= e.details.items() for e in world.effects()
        )
        suffix = "".join(f", {k} {v}" for k, v in self.where.items())
        return Check.of(f"side effect {self.effect}{suffix}", self.times, seen)


@dataclass(frozen=True, slots=True)
class ActedInOrder:
    """These side effects and no other among them, in this order."""

    effects: tuple[str, ...]

    def check(self, world: World) -> Check:
        """By the tools' own count."""
        seen = [e.name for e in world.effects() if e.name in self.effects]
        return Check.of("side effects in order", " → ".join(self.effects), " → ".join(seen))


@dataclass(frozen=True, slots=True)
class Asked:
    """So many requests reached the LLM."""

    times: int | AtLeast
    agent: str | None = None

    def check(self, world: World) -> Check:
        """By the LLM server's log."""
        seen = sum(self.agent in (None, e["agent"]) for e in world.model_log())
        who = f" of {self.agent}" if self.agent else ""
        return Check.of(f"requests to the LLM{who}", self.times, seen)


@dataclass(frozen=True, slots=True)
class Struck:
    """The faults of the LLM that struck, by kind: the scenario did happen."""

    faults: dict[str, int] = field(hash=False)

    def check(self, world: World) -> Check:
        """By the LLM server's log."""
        seen = Counter(str(e["fault"]) for e in world.model_log() if e["fault"])
        return Check.of("faults of the LLM", _words(self.faults), _words(seen))


@dataclass(frozen=True, slots=True)
class Steps:
    """The journal holds so many steps of this name."""

    step: str
    times: int | AtLeast = 1
    name: str = "run"

    def check(self, world: World) -> Check:
        """By the server's SQL."""
        seen = world.steps(self.name, self.step)
        return Check.of(f"{self.name}: steps {self.step!r}", self.times, seen)


@dataclass(frozen=True, slots=True)
class Noted:
    """The server noted an event at an invocation that has this in it, such as `RT0016`."""

    part: str
    name: str = "run"

    def check(self, world: World) -> Check:
        """By the server's SQL."""
        events = world.events(self.name)
        ok = any(self.part in event for event in events)
        kinds = _words(Counter(event.split()[0] for event in events)) or "no event"
        seen = f"{'found' if ok else 'not found'} in: {kinds}"
        return Check(f"{self.name}: events", f"… {self.part} …", seen, ok)


@dataclass(frozen=True, slots=True)
class State:
    """A virtual object's state holds this under a key."""

    service: str
    key: str
    entry: str
    part: str
    """A part of the value's text; `{key}` is filled in."""

    def check(self, world: World) -> Check:
        """By the server's SQL."""
        rows = world.sql(
            f"SELECT value_utf8 FROM state WHERE service_name = '{self.service}' "
            f"AND service_key = '{world.fill(self.key)}' AND key = '{self.entry}'"
        )
        value = str(rows[0]["value_utf8"]) if rows else "nothing"
        part = world.fill(self.part)
        return Check(f"state {self.service}/{self.entry}", f"… {part} …", value, part in value)


@dataclass(frozen=True, slots=True)
class Began:
    """An invocation did not start to run before its time."""

    seconds_after_sending: float
    name: str = "run"

    def check(self, world: World) -> Check:
        """By the server's SQL."""
        running = world.row(self.name).get("running_at")
        waited = (
            datetime.fromisoformat(running).timestamp() - world.sent_at[self.name]
            if running
            else -1.0
        )
        return Check(
            f"{self.name}: began to run",
            f"{self.seconds_after_sending:g} s after sending or later",
            f"{waited:.1f} s after",
            waited >= self.seconds_after_sending,
        )


@dataclass(frozen=True, slots=True, init=False)
class Completed:
    """These invocations were completed in this order."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)

    def check(self, world: World) -> Check:
        """By the server's SQL."""
        ends = {name: world.row(name).get("completed_at") for name in self.names}
        seen = [f"{name} not at all" for name, at in ends.items() if not at]
        seen += sorted((n for n in self.names if ends[n]), key=lambda name: str(ends[name]))
        return Check.of("completed in order", " → ".join(self.names), " → ".join(seen))


@dataclass(frozen=True, slots=True)
class SameInvocation:
    """Two requests led to one and the same invocation."""

    one: str
    other: str

    def check(self, world: World) -> Check:
        """By the ids that the ingress returned."""
        same = world.id_of(self.one) == world.id_of(self.other)
        return Check(
            f"{self.one} and {self.other}",
            "one invocation",
            "one invocation" if same else "two invocations",
            same,
        )


def _words(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()))
