"""Actions on what is deployed where: changed code, a second deployment, a slow line."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
from playhead.local import free_port

from playhead_samples.scenarios.process import WarmAgents
from playhead_samples.scenarios.scenario import ScenarioError
from playhead_samples.scenarios.slow_link import SlowLink
from playhead_samples.scenarios.world import World

__all__ = ["ChangeCode", "CutLine", "Deploy", "SlowLine"]

START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ChangeCode:
    """Which code the agents have when they are started the next time."""

    env: dict[str, str] = field(hash=False)
    what: str = "changed code is put in place of the old"

    def __str__(self) -> str:
        return self.what

    def play(self, world: World) -> None:
        """Until the end of the scenario, when the usual code is started again."""
        agents = _agents(world)
        if not agents.switches:
            world.closing.append(lambda: _usual_code(world, agents))
        agents.switches = dict(self.env)


@dataclass(frozen=True, slots=True)
class Deploy:
    """Agents with the usual code at a new address, registered as a new deployment."""

    def __str__(self) -> str:
        return "deploy the fixed code at a new address"

    def play(self, world: World) -> None:
        """They serve and are known to the server when this returns."""
        second = WarmAgents(_agents(world).nursery, free_port())
        uri = f"http://127.0.0.1:{second.port}"
        second.start()
        world.closing.append(second.kill)
        second.wait_until(lambda: _answers(uri), seconds=START_SECONDS, what="they answered")
        deployment = world.admin("POST", "deployments", {"uri": uri}).json()["id"]
        world.closing.append(lambda: _withdraw(world, deployment))
        world.say(f"  the new deployment is {deployment}")


@dataclass(frozen=True, slots=True)
class SlowLine:
    """The server reaches the agents over a slow line from here on."""

    seconds: float

    def __str__(self) -> str:
        return f"the network to the agents takes {self.seconds:g} s for each piece"

    def play(self, world: World) -> None:
        """Until the end of the scenario."""
        line = SlowLink(world.stack.agents_port, self.seconds)
        world.line = line
        world.closing.append(line.close)
        world.closing.append(lambda: _move(world, f"http://127.0.0.1:{world.stack.agents_port}"))
        _move(world, line.url)


@dataclass(frozen=True, slots=True)
class CutLine:
    """Every connection from the server to the agents breaks; both stay alive."""

    def __str__(self) -> str:
        return "break every connection between server and agents"

    def play(self, world: World) -> None:
        """New connections can be made at once."""
        if world.line is None:
            raise ScenarioError("only a line that was made slow before can be cut")
        world.line.cut()


def _agents(world: World) -> WarmAgents:
    agents = world.stack.agents
    if not isinstance(agents, WarmAgents):
        raise ScenarioError("this stack's agents cannot be given other code")
    return agents


def _usual_code(world: World, agents: WarmAgents) -> None:
    agents.switches = {}
    world.stack.start_agents()


def _withdraw(world: World, deployment: str) -> None:
    world.admin("DELETE", f"deployments/{deployment}?force=true")
    world.stack.register()


def _move(world: World, uri: str) -> None:
    world.admin("PATCH", f"deployments/{world.stack.deployment_id}", {"uri": uri})


def _answers(uri: str) -> bool:
    try:
        return httpx.get(f"{uri}/health", timeout=1.0).status_code < 500
    except httpx.HTTPError:
        return False
