"""Actions on processes: crash, stop and start them, set timeouts, remove faults."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from playhead_samples.scenarios.testbed.scenario_run import ScenarioError, ScenarioRun


@dataclass(frozen=True, slots=True)
class RemoveFaults:
    """Remove every injected fault."""

    def __str__(self) -> str:
        return "remove all faults"

    def play(self, run: ScenarioRun) -> None:
        """Remove the faults of tools and LLM."""
        run.remove_faults()


@dataclass(frozen=True, slots=True)
class KillAgents:
    """Kill the agents' process with `kill -9`."""

    def __str__(self) -> str:
        return "kill the agents with kill -9"

    def play(self, run: ScenarioRun) -> None:
        """Kill the process and wait until it is gone."""
        if not run.stack.agents.running:
            raise ScenarioError("the agents cannot be killed: they are not running")
        run.agent_spans_lost = True
        run.stack.agents.kill()


@dataclass(frozen=True, slots=True)
class StopAgents:
    """Send SIGTERM to the agents' process, as a rolling update does."""

    seconds: float = 15.0

    def __str__(self) -> str:
        return "send SIGTERM to the agents"

    def play(self, run: ScenarioRun) -> None:
        """Send the signal and wait until the process has ended."""
        agents = run.stack.agents
        agents.signal(signal.SIGTERM)
        run.wait(
            lambda: not agents.running,
            seconds=self.seconds,
            what="wait until the agents end after SIGTERM",
        )


@dataclass(frozen=True, slots=True)
class StartAgents:
    """Start the agents' process again, on the same port."""

    def __str__(self) -> str:
        return "start the agents again"

    def play(self, run: ScenarioRun) -> None:
        """Start the agents and wait until they answer."""
        run.stack.start_agents()


@dataclass(frozen=True, slots=True)
class KillServer:
    """Kill restate-server with `kill -9`."""

    def __str__(self) -> str:
        return "kill restate-server with kill -9"

    def play(self, run: ScenarioRun) -> None:
        """Kill the process and wait until it is gone."""
        if run.stack.restate is None:
            raise ScenarioError("the server cannot be killed: the scenario did not start it")
        run.server_spans_lost = True
        run.stack.restate.kill()


@dataclass(frozen=True, slots=True)
class StartServer:
    """Start restate-server again, with its data."""

    def __str__(self) -> str:
        return "start restate-server again"

    def play(self, run: ScenarioRun) -> None:
        """Start the server and wait until it answers queries."""
        run.start_server()


@dataclass(frozen=True, slots=True)
class KillRecorder:
    """Kill the recorder with `kill -9`."""

    def __str__(self) -> str:
        return "kill the recorder with kill -9"

    def play(self, run: ScenarioRun) -> None:
        """Kill the process and wait until it is gone; spans that are sent meanwhile are lost."""
        run.server_spans_lost = run.agent_spans_lost = True
        run.stack.recorder.kill()


@dataclass(frozen=True, slots=True)
class StartRecorder:
    """Start the recorder again, on the same store and ports."""

    def __str__(self) -> str:
        return "start the recorder again"

    def play(self, run: ScenarioRun) -> None:
        """Start the recorder and wait until it answers."""
        run.stack.start_recorder()


@dataclass(frozen=True, slots=True)
class Idle:
    """Send nothing for a while, so that connections become idle."""

    seconds: float

    def __str__(self) -> str:
        return f"send nothing for {self.seconds:g} s"

    def play(self, run: ScenarioRun) -> None:
        """Let the time pass; it is the situation itself, not a wait for a condition."""
        time.sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class SetTimeouts:
    """Set the server's timeouts for a service that sends nothing."""

    service: str
    inactivity: str
    """After this time without a message, the service is asked to suspend."""
    abort: str = "60 s"
    """After this additional time, the attempt is aborted."""

    def __str__(self) -> str:
        return (
            f"set the timeouts of {self.service}: inactivity {self.inactivity}, abort {self.abort}"
        )

    def play(self, run: ScenarioRun) -> None:
        """Set the timeouts until the end of the scenario, when the agents are registered again."""
        body = {"inactivity_timeout": self.inactivity, "abort_timeout": self.abort}
        run.stack.admin("PATCH", f"/services/{self.service}", body)
        if run.stack.register not in run.cleanups:
            run.cleanups.append(run.stack.register)
