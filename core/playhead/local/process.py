"""Child processes with a log file, a readiness check, and a guaranteed end."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import IO

from playhead.errors import ProcessError
from playhead.local import reaper

POLL_SECONDS = 0.02
LOG_TAIL_LINES = 12
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _uninterrupted() -> Generator[None]:
    """Delay signals until the end of the block.

    A KeyboardInterrupt between the start of a process and its registration would orphan it.
    Signals are not masked, since the child would inherit the mask.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {n: signal.signal(n, lambda number, _: held.append(number)) for n in _INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in held:
            signal.raise_signal(number)


class _Reaper:
    """The helper process that ends the children if this process is killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0

    def update(self, sign: str, group: int) -> None:
        with self._lock:
            if self._process is None or self._owner != os.getpid():
                self._process = subprocess.Popen(
                    [sys.executable, "-S", "-E", reaper.__file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    start_new_session=True,
                )
                self._owner = os.getpid()
                atexit.register(self._wait)
            stdin = self._process.stdin
            assert stdin is not None
            with contextlib.suppress(BrokenPipeError):
                stdin.write(f"{sign}{group}\n")
                stdin.flush()

    def _wait(self) -> None:
        """Wait at the exit for the helper, which has ended what was left running."""
        if self._process is not None and self._owner == os.getpid():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.communicate(timeout=2 * reaper.GRACE_SECONDS)


_reaper = _Reaper()


class ManagedProcess:
    """A child process in its own process group.

    The group ends with `stop()` or `kill()`, and at the latest when this process ends, even by
    `kill -9`. Standard output and error go to `log`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
        cwd: Path | None = None,
    ) -> None:
        """Configure the process without starting it.

        Args:
            name: Name of the process in errors.
            command: Program and arguments.
            log: File to append its output to.
            env: Variables added to this process's environment.
            without: Prefixes of variables to leave out of this process's environment.
            cwd: Working directory.
        """
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.env = dict(env or {})
        self.without = tuple(without)
        self.cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id. Raises ProcessError if the process was never started."""
        if self._process is None:
            raise ProcessError(f"{self.name} was not started")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None before the process has ended."""
        return None if self._process is None else self._process.poll()

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> ManagedProcess:
        """Start the process. Raises ProcessError if the program cannot be run, or runs already."""
        if self.running:
            raise ProcessError(f"{self.name} is already running (pid {self.pid})")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        output: IO[bytes]
        inherited = {n: v for n, v in os.environ.items() if not n.startswith(self.without)}
        with open(self.log, "ab", opener=_private) as output, _uninterrupted():
            try:
                self._process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**inherited, **self.env},
                    cwd=self.cwd,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProcessError(f"{self.name} cannot be started: {error}") from error
            _reaper.update("+", self._process.pid)
        return self

    def wait_until(self, ready: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Wait until `ready()` is true.

        Args:
            ready: Checked repeatedly.
            seconds: Maximum time to wait.
            what: The awaited state as a clause, such as `it answered`, for errors.

        Raises:
            ProcessError: The process ended first, or the time is up.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise ProcessError(
                    f"{self.name} ended (exit code {self.returncode}) before {what}",
                    self.log_tail(),
                )
            if time.monotonic() > deadline:
                raise ProcessError(
                    f"{self.name} timed out after {seconds:g} s, before {what}", self.log_tail()
                )
            time.sleep(POLL_SECONDS)

    def signal(self, number: int) -> None:
        """Send a signal to the process alone, not to its group."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def stop(self, *, grace: float = 10.0) -> None:
        """Send SIGTERM to the group, and SIGKILL after `grace` seconds. Safe to call twice."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the whole group and wait for the process."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        _reaper.update("-", self._process.pid)

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """Return the last lines of the log, with its path."""
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return f"(no log at {self.log})"
        tail = text.splitlines()[-lines:]
        return "\n".join([f"Last lines of {self.log}:", *(f"  {line}" for line in tail)])

    def __enter__(self) -> ManagedProcess:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner can read if it is created."""
    return os.open(path, flags, 0o600)
