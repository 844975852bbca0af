"""Actions on processes, the network and the server: crash, stop, restart; and on the faults."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from playhead_samples.scenarios.scenario import ScenarioError
from playhead_samples.scenarios.world import World

__all__ = [
    "CrashAgents",
    "CrashServer",
    "LiftFaults",
    "StartAgents",
    "StartServer",
    "StopAgents",
    "Timeouts",
]


@dataclass(frozen=True, slots=True)
class LiftFaults:
    """Whatever was broken on purpose works again."""

    def __str__(self) -> str:
        return "lift all faults"

    def play(self, world: World) -> None:
        """Tools and LLM."""
        world.lift_faults()


@dataclass(frozen=True, slots=True)
class CrashAgents:
    """`kill -9` of the agents' process."""

    def __str__(self) -> str:
        return "kill -9 the agents"

    def play(self, world: World) -> None:
        """The process is gone when this returns."""
        if not world.stack.agents.running:
            raise ScenarioError("the agents should have been alive to be killed")
        world.stack.agents.kill()


@dataclass(frozen=True, slots=True)
class StopAgents:
    """SIGTERM to the agents' process, as a rolling update does."""

    seconds: float = 15.0

    def __str__(self) -> str:
        return "SIGTERM to the agents"

    def play(self, world: World) -> None:
        """Wait until the process has ended by itself."""
        agents = world.stack.agents
        agents.signal(signal.SIGTERM)
        world.wait(
            lambda: not agents.running, seconds=self.seconds, what="the agents end on SIGTERM"
        )


@dataclass(frozen=True, slots=True)
class StartAgents:
    """Start the agents' process again, on the same port."""

    def __str__(self) -> str:
        return "start the agents again"

    def play(self, world: World) -> None:
        """They answer when this returns."""
        world.stack.start_agents()


@dataclass(frozen=True, slots=True)
class CrashServer:
    """`kill -9` of restate-server."""

    def __str__(self) -> str:
        return "kill -9 restate-server"

    def play(self, world: World) -> None:
        """The process is gone when this returns."""
        if world.stack.restate is None:
            raise ScenarioError("a server that is not ours is not killed")
        world.stack.restate.kill()


@dataclass(frozen=True, slots=True)
class StartServer:
    """Start restate-server again, on its data."""

    def __str__(self) -> str:
        return "start restate-server again"

    def play(self, world: World) -> None:
        """It answers when this returns."""
        world.start_server()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Set how long the server waits for a service that is silent."""

    service: str
    inactivity: str
    """After this long without a sign of life, the service is asked to suspend."""
    abort: str = "60 s"
    """After this long again, the attempt is broken off."""

    def __str__(self) -> str:
        return (
            f"{self.service}: suspend after {self.inactivity} of silence, abort after {self.abort}"
        )

    def play(self, world: World) -> None:
        """Until the end of the scenario, when the agents are registered anew."""
        body = {"inactivity_timeout": self.inactivity, "abort_timeout": self.abort}
        world.admin("PATCH", f"services/{self.service}", body)
        if world.stack.register not in world.closing:
            world.closing.append(world.stack.register)
