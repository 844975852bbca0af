"""The agents' processes of scenarios, which are cheap to kill and start again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from playhead.errors import ProcessError
from playhead.local import ManagedProcess

__all__ = ["FORK_SIGNAL", "ForkServer", "ForkedAgents"]

FORK_SIGNAL = signal.SIGUSR1
"""Requests another fork. It is named here because `fork_server` imports all agents."""

POLL_SECONDS = 0.02
EXIT_SECONDS = 30.0


class ForkServer:
    """The process that agents are forked from (see `fork_server`). Starts with the first fork."""

    def __init__(self, agents: ManagedProcess) -> None:
        """Create the fork server; it starts with the first fork.

        Args:
            agents: template for name, log and environment of the agents; never started itself.
        """
        self.log = agents.log
        self.folder = agents.log.parent
        self._request_file = self.folder / "agents.json"
        module = "playhead_samples.scenarios.testbed.fork_server"
        self.process = ManagedProcess(
            agents.name,
            [sys.executable, "-m", module, self._request_file],
            log=agents.log,
            env=agents.env,
        )

    def fork(self, port: int, pid_file: Path, env: Mapping[str, str]) -> None:
        """Fork a process that serves agents on `port` and writes its id to `pid_file`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        pid_file.unlink(missing_ok=True)
        request = {"port": port, "pid_file": str(pid_file), "env": dict(env)}
        self._request_file.write_text(json.dumps(request))
        if self.process.running:
            self.process.signal(FORK_SIGNAL)
        else:
            self.process.start()


class ForkedAgents(ManagedProcess):
    """Agents forked from a fork server; replaces the child that a stack starts by default."""

    def __init__(
        self, fork_server: ForkServer, port: int, *, owns_fork_server: bool = False
    ) -> None:
        """Create the agents; nothing is started yet.

        Args:
            fork_server: the process to fork from.
            port: TCP port of the agents.
            owns_fork_server: stop the fork server when these agents are stopped.
        """
        process = fork_server.process
        super().__init__(process.name, process.command, log=process.log, env=process.env)
        self.port = port
        self.next_env: dict[str, str] = {}
        """Additional environment variables for the next `start()`."""
        self.fork_server = fork_server
        self._owns_fork_server = owns_fork_server
        self._pid_file = fork_server.folder / f"agents-{port}.pid"

    @property
    def pid(self) -> int:
        """Id of the serving process. Raises ProcessError until it has been forked."""
        try:
            return int(self._pid_file.read_text())
        except (OSError, ValueError):
            raise ProcessError(f"{self.name} were not started") from None

    @property
    def returncode(self) -> int | None:
        """Exit code of the fork server, which alone knows the exit codes of the agents."""
        return self.fork_server.process.returncode

    @property
    def running(self) -> bool:
        """Whether the serving process is alive or about to be forked."""
        try:
            return _alive(self.pid)
        except ProcessError:
            return self.fork_server.process.running

    def start(self) -> ManagedProcess:
        """Fork the serving process, for the first time or again. Raises ProcessError."""
        self.fork_server.fork(self.port, self._pid_file, self.next_env)
        return self

    def signal(self, number: int) -> None:
        """Send a signal to the serving process, if it exists."""
        with contextlib.suppress(ProcessLookupError, ProcessError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL to the serving process and wait until it is gone."""
        self.signal(signal.SIGKILL)
        deadline = time.monotonic() + EXIT_SECONDS
        with contextlib.suppress(ProcessError):
            while _alive(self.pid) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)

    def stop(self, *, grace: float = 10.0) -> None:
        """Stop the agents, and the fork server if they own it."""
        if self._owns_fork_server:
            self.fork_server.process.stop(grace=grace)
        else:
            self.kill()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
