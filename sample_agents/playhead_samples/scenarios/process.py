"""The agents' processes as scenarios use them: killed and started again at little cost."""

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

from playhead_samples.scenarios.warm import AGAIN

__all__ = ["Nursery", "WarmAgents"]

POLL_SECONDS = 0.02
FORK_SECONDS = 30.0


class Nursery:
    """The process that agents are forked from; see `warm`. Starts with the first of them."""

    def __init__(self, agents: ManagedProcess) -> None:
        """For agents under the variables of `agents`, which itself is never started."""
        self.log = agents.log
        self.folder = agents.log.parent
        self._order = self.folder / "agents.json"
        module = "playhead_samples.scenarios.warm"
        self.child = ManagedProcess(
            agents.name,
            [sys.executable, "-m", module, self._order],
            log=agents.log,
            env=agents.env,
        )

    def fork(self, port: int, pid_file: Path, env: Mapping[str, str]) -> None:
        """Have agents served on `port`; their process id will stand in `pid_file`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        pid_file.unlink(missing_ok=True)
        order = {"port": port, "pid_file": str(pid_file), "env": dict(env)}
        self._order.write_text(json.dumps(order))
        if self.child.running:
            self.child.signal(AGAIN)
        else:
            self.child.start()


class WarmAgents(ManagedProcess):
    """Agents forked from a nursery, in place of the child that a stack starts."""

    def __init__(self, nursery: Nursery, port: int, *, last: bool = False) -> None:
        """Nothing starts yet.

        Args:
            nursery: where they come from.
            port: where they serve.
            last: whether the nursery ends when these are stopped.
        """
        child = nursery.child
        super().__init__(child.name, child.command, log=child.log, env=child.env)
        self.port = port
        self.switches: dict[str, str] = {}
        """Variables for the next `start()`, on top of those of the nursery."""
        self.nursery = nursery
        self._last = last
        self._pid_file = nursery.folder / f"agents-{port}.pid"

    @property
    def pid(self) -> int:
        """Of the process that serves. Raises ProcessError while it is on its way."""
        try:
            return int(self._pid_file.read_text())
        except (OSError, ValueError):
            raise ProcessError(f"{self.name} were not started") from None

    @property
    def returncode(self) -> int | None:
        """Of the nursery: that of the agents is known to it alone."""
        return self.nursery.child.returncode

    @property
    def running(self) -> bool:
        """Whether the process that serves is alive, or on its way."""
        try:
            return _alive(self.pid)
        except ProcessError:
            return self.nursery.child.running

    def start(self) -> ManagedProcess:
        """Start them, the first time or again. Raises ProcessError."""
        self.nursery.fork(self.port, self._pid_file, self.switches)
        return self

    def signal(self, number: int) -> None:
        """To the process that serves, if there is one."""
        with contextlib.suppress(ProcessLookupError, ProcessError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the process that serves; it is gone when this returns."""
        self.signal(signal.SIGKILL)
        deadline = time.monotonic() + FORK_SECONDS
        with contextlib.suppress(ProcessError):
            while _alive(self.pid) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)

    def stop(self, *, grace: float = 10.0) -> None:
        """End them for good; the last ones take the nursery with them."""
        if self._last:
            self.nursery.child.stop(grace=grace)
        else:
            self.kill()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
