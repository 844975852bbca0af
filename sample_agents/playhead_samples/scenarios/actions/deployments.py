"""Actions on deployments and the network: other code, a second deployment, a slow network."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
from playhead.local import free_port
from playhead.restate.deployments import register_deployment

from playhead_samples.scenarios.testbed.forked_agents import ForkedAgents
from playhead_samples.scenarios.testbed.scenario_run import ScenarioError, ScenarioRun
from playhead_samples.scenarios.testbed.slow_proxy import SlowProxy

START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ChangeCode:
    """Choose the code that the agents run after their next start."""

    env: dict[str, str] = field(hash=False)
    text: str = "replace the code with a changed version"

    def __str__(self) -> str:
        return self.text

    def play(self, run: ScenarioRun) -> None:
        """Choose the code until the end of the scenario, which starts the original code again."""
        agents = _forked_agents(run)
        if not agents.next_env:
            run.cleanups.append(lambda: _start_original_code(run, agents))
        agents.next_env = dict(self.env)


@dataclass(frozen=True, slots=True)
class Deploy:
    """Serve the original code at a new address and register it as a new deployment."""

    def __str__(self) -> str:
        return "deploy the fixed code at a new address"

    def play(self, run: ScenarioRun) -> None:
        """Start the agents and wait until the server has registered the new deployment."""
        second = ForkedAgents(_forked_agents(run).fork_server, free_port())
        uri = f"http://127.0.0.1:{second.port}"
        second.start()
        run.cleanups.append(second.kill)
        second.wait_until(lambda: _answers(uri), seconds=START_SECONDS, what="they answered")
        settings = run.stack.settings
        deployment = register_deployment(settings.admin_url, uri, token=settings.auth_token)
        run.cleanups.append(lambda: _remove_deployment(run, deployment))
        run.report(f"  the new deployment is {deployment}")


@dataclass(frozen=True, slots=True)
class SlowNetwork:
    """Route the server's connections to the agents through a slow proxy."""

    seconds: float

    def __str__(self) -> str:
        return f"slow down the network to the agents: {self.seconds:g} s per chunk"

    def play(self, run: ScenarioRun) -> None:
        """Slow down the network until the end of the scenario."""
        proxy = SlowProxy(run.stack.agents_port, self.seconds)
        run.slow_proxy = proxy
        run.cleanups.append(proxy.close)
        run.cleanups.append(lambda: _move_agents(run, run.stack.agents_url))
        _move_agents(run, proxy.url)


@dataclass(frozen=True, slots=True)
class CutNetwork:
    """Break every connection from the server to the agents; both processes stay alive."""

    def __str__(self) -> str:
        return "break every connection between server and agents"

    def play(self, run: ScenarioRun) -> None:
        """Break the connections; new ones are accepted at once."""
        if run.slow_proxy is None:
            raise ScenarioError("CutNetwork needs an earlier SlowNetwork action")
        run.slow_proxy.cut()


def _forked_agents(run: ScenarioRun) -> ForkedAgents:
    agents = run.stack.agents
    if not isinstance(agents, ForkedAgents):
        raise ScenarioError("the code of this stack's agents cannot be changed")
    return agents


def _start_original_code(run: ScenarioRun, agents: ForkedAgents) -> None:
    agents.next_env = {}
    run.stack.start_agents()


def _remove_deployment(run: ScenarioRun, deployment: str) -> None:
    run.stack.remove_deployment(deployment)
    run.stack.register()


def _move_agents(run: ScenarioRun, uri: str) -> None:
    run.stack.admin("PATCH", f"/deployments/{run.stack.deployment_id}", {"uri": uri})


def _answers(uri: str) -> bool:
    try:
        return httpx.get(f"{uri}/health", timeout=1.0).is_success
    except httpx.HTTPError:
        return False
