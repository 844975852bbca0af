"""Actions on invocations: send, answer an approval, cancel, kill, resume."""

from __future__ import annotations

import json
import textwrap
import time
from dataclasses import dataclass
from typing import Any

from playhead_samples.scenarios.scenario import ScenarioError
from playhead_samples.scenarios.world import World

__all__ = ["Cancel", "Child", "Decide", "Kill", "Resume", "Send"]


@dataclass(frozen=True, slots=True)
class Send:
    """A request to an agent, sent without waiting for its answer."""

    path: str
    """Service, key where there is one, and handler; `{key}` stands for a fresh one."""
    message: Any = None
    """Text for agents that take `{"message": …}`; anything else is the body itself."""
    name: str = "run"
    """What the other actions and the expectations call it."""
    delay: str | None = None
    """How long Restate is to wait first, such as `2s`."""
    idempotency_key: str | None = None

    def __str__(self) -> str:
        later = f", to start in {self.delay}" if self.delay else ""
        text = "" if self.message is None else f": {textwrap.shorten(str(self.message), 70)}"
        return f"send {self.name} to {self.path}{later}{text}"

    def play(self, world: World) -> None:
        """Send it, and remember its id by `name`."""
        body: Any = {"message": self.message} if isinstance(self.message, str) else self.message
        body = json.loads(world.fill(json.dumps(body)))
        headers: dict[str, str] = {}
        if self.idempotency_key:
            headers["idempotency-key"] = world.fill(self.idempotency_key)
        path = f"{world.fill(self.path)}/send" + (f"?delay={self.delay}" if self.delay else "")
        world.sent_at[self.name] = time.time()
        answer = world.ingress(path, body, headers).json()
        world.invocations[self.name] = answer["invocationId"]
        world.say(f"  {self.name} is {answer['invocationId']}")


@dataclass(frozen=True, slots=True)
class Child:
    """Find the invocation that another one called, and give it a name."""

    service: str
    name: str
    of: str = "run"
    seconds: float = 30.0

    def __str__(self) -> str:
        return f"{self.name} is the {self.service} that {self.of} calls"

    def play(self, world: World) -> None:
        """Wait until it is there."""
        query = (
            f"SELECT id FROM sys_invocation WHERE invoked_by_id = '{world.id_of(self.of)}' "
            f"AND target_service_name = '{self.service}' ORDER BY created_at DESC LIMIT 1"
        )

        def found() -> bool:
            rows = world.sql(query)
            if rows:
                world.invocations[self.name] = rows[0]["id"]
            return bool(rows)

        world.wait(found, seconds=self.seconds, what=f"{self.of} calls {self.service}")
        world.say(f"  {self.name} is {world.invocations[self.name]}")


@dataclass(frozen=True, slots=True)
class Decide:
    """A person answers the approval that the agent asked for."""

    value: Any = True
    asked: str = "request_review"
    """The side effect that told the person the awakeable's id."""
    reject: str | None = None
    """Fail the awakeable with this text instead of giving a value."""

    def __str__(self) -> str:
        if self.reject is not None:
            return f"a person refuses to decide: {self.reject}"
        return f"a person decides: {self.value}"

    def play(self, world: World) -> None:
        """Resolve or reject the awakeable that was noted last."""
        told = [e for e in world.effects() if e.name == self.asked]
        if not told:
            raise ScenarioError(f"nobody was asked: no side effect {self.asked!r} so far")
        how = "resolve" if self.reject is None else "reject"
        body = self.value if self.reject is None else self.reject
        world.ingress(f"restate/awakeables/{told[-1].details['awakeable_id']}/{how}", body)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel an invocation: it can still clean up."""

    name: str = "run"

    def __str__(self) -> str:
        return f"cancel {self.name}"

    def play(self, world: World) -> None:
        """Ask the server; it takes effect when the agent waits the next time."""
        world.admin("PATCH", f"invocations/{world.id_of(self.name)}/cancel")


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill an invocation: it ends at once, without cleaning up."""

    name: str = "run"

    def __str__(self) -> str:
        return f"kill {self.name}"

    def play(self, world: World) -> None:
        """Ask the server."""
        world.admin("PATCH", f"invocations/{world.id_of(self.name)}/kill")


@dataclass(frozen=True, slots=True)
class Resume:
    """Resume an invocation that is paused."""

    name: str = "run"
    latest: bool = False
    """On the newest deployment instead of the one it began on."""

    def __str__(self) -> str:
        return f"resume {self.name}" + (" on the newest deployment" if self.latest else "")

    def play(self, world: World) -> None:
        """Ask the server."""
        query = "?deployment=latest" if self.latest else ""
        world.admin("PATCH", f"invocations/{world.id_of(self.name)}/resume{query}")
