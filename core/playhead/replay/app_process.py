"""The process that runs the user's code, as its parent sees it: isolated, limited, and ended whole.

A frame of its channel has one request or one answer; see `playhead.replay.child`.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

import psutil

from playhead import errors
from playhead.replay.isolation import Isolation
from playhead.replay.sandbox.channel import Channel, GarbageError, new_token
from playhead.replay.sandbox.environment import environment
from playhead.replay.sandbox.folders import Folders, folders_for
from playhead.replay.sandbox.launch import Launcher, launcher, live_launcher
from playhead.replay.sandbox.system_calls import CompiledFilter, Supervisor, compiled_filter
from playhead.replay.stop import Stop

__all__ = ["START_TIMEOUT", "AppProcess", "ProcessOptions"]

START_TIMEOUT = 60.0
"""Time limit for starting the process and importing the app, in seconds."""
MAX_MEMORY_BYTES = 4 << 30
"""Memory that the process and all that it starts may use together."""
_STDERR_BYTES = 2000
_ENDED = "it ended"
_NAMESPACES = ("net", "pid", "mnt", "ipc", "user")
_NO_LAUNCHER = Launcher("", (), "switched off")
_NO_FILTER = CompiledFilter(why_not="live steps use the network and start programs")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class ProcessOptions:
    """How the process runs."""

    app: str
    """`module:attribute` of the Restate app."""
    app_dir: Path
    """Working directory and first entry of the import path."""
    guarded: bool = True
    """Block side effects; only tests of the guard turn it off."""
    live: bool = False
    """Keep network, files and API keys, for steps that are executed for real."""
    env: tuple[str, ...] = ()
    """Names of environment variables that the app needs."""
    require_isolation: bool = False
    """Refuse to import the app unless the operating system isolates it."""

    @property
    def isolated(self) -> bool:
        """Whether the operating system has to isolate it completely."""
        return self.guarded and not self.live


class AppProcess:
    """A child process for one app; after its end, the next `launch` starts a new one."""

    def __init__(self, options: ProcessOptions) -> None:
        """Configure the process; `launch` starts it."""
        self.options = options
        self.isolation = Isolation()
        """How the process is isolated, as it measured itself when it started."""
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._supervisor: Supervisor | None = None
        self._scratch: str | None = None
        self._token = b""
        self._interrupted = False
        self._stderr: IO[bytes] | None = None

    def launch(self) -> None:
        """Start the process and wait until it has isolated itself; it then imports the app.

        Raises:
            IsolationError: The system does not isolate it, and `require_isolation` is set.
            WorkerError: It crashed or took too long.
        """
        self.close()
        self._scratch = tempfile.mkdtemp(prefix="playhead-replay-")
        live = self.options.live
        folders = folders_for(str(self.options.app_dir), self._scratch, live=live)
        wall = self._launcher()
        compiled = compiled_filter() if self.options.isolated else _NO_FILTER
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        module = [sys.executable, "-m", "playhead.replay.child", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                [*wall.command(folders), *module],
                stdin=subprocess.DEVNULL,
                stdout=self._stderr,
                stderr=self._stderr,
                cwd=self.options.app_dir,
                env=self.environment(),
                pass_fds=[theirs.fileno()],
            )
        if self._interrupted:
            self._kill()
        setup = {
            **_setup(wall, folders, compiled),
            "app": self.options.app,
            "app_dir": str(self.options.app_dir),
            "guarded": self.options.guarded,
            "files": self.options.guarded,
            "live": live,
        }
        self.send(setup, START_TIMEOUT)
        self.isolation = self._isolation(compiled, folders)
        if self.options.require_isolation and not self.isolation.complete:
            isolation = self.isolation
            self.close()
            raise errors.IsolationError(
                f"The replay is not isolated: {isolation.sentence}",
                "\n".join(f"{name}: {why}" for name, why in isolation.unavailable.items()),
            )

    def _isolation(self, compiled: CompiledFilter, folders: Folders) -> Isolation:
        late = "it did not start"
        if self.answer(START_TIMEOUT, late).get("listener"):
            assert self._channel is not None
            try:
                deadline = time.monotonic() + START_TIMEOUT
                listener = self._channel.receive_descriptor(deadline=deadline)
            except (OSError, EOFError):
                self._fail(_ENDED)
            self._supervisor = Supervisor(listener, compiled, (folders.scratch, "/dev/shm"))
        found = self.validated(Isolation.from_json, self.answer(START_TIMEOUT, late))
        if self._supervisor is not None:
            self._supervisor.take()  # the process's own tests
        why_not = {"seccomp": compiled.why_not} if compiled.why_not else {}
        unavailable = {**found.unavailable, **why_not}
        return replace(found, unavailable=unavailable, live=self.options.live)

    def close(self) -> None:
        """End the process and everything that it started; safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            self._kill(process)
            process.wait()
        if self._channel is not None:
            self._channel.close()
        if self._supervisor is not None:
            self._supervisor.close()
            self._supervisor = None
        if self._stderr is not None:
            self._stderr.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def interrupt(self) -> None:
        """End the process permanently, from any thread; a request under way raises WorkerError."""
        self._interrupted = True
        self._kill()

    @property
    def running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def blocked(self) -> tuple[str, ...]:
        """Return what native code tried since the last call, and the system refused."""
        return tuple(self._supervisor.take()) if self._supervisor is not None else ()

    @property
    def pid(self) -> int | None:
        """Process id of the innermost process; None while it does not run."""
        if self._process is None:
            return None
        family = _family(self._process.pid)
        return family[-1].pid if family else self._process.pid

    def environment(self) -> dict[str, str]:
        """Return the process's variables."""
        return environment(self._scratch or "", names=self.options.env, live=self.options.live)

    def debug(self, recording: dict[str, Any], stop: Stop) -> int:
        """Open Python's debugger at a stop, in a process with this terminal; return its exit code.

        The terminal stays the parent's, so the process has no channel and no filter.
        """
        with tempfile.TemporaryDirectory(prefix="playhead-replay-") as scratch:
            folders = folders_for(str(self.options.app_dir), scratch)
            wall = self._launcher()
            question = {
                **_setup(wall, folders, CompiledFilter()),
                "app": self.options.app,
                "app_dir": str(self.options.app_dir),
                "recording": recording,
                "command_index": stop.command_index,
                "place": stop.place,
            }
            with tempfile.TemporaryFile() as file:
                file.write(json.dumps(question, default=str).encode())
                file.seek(0)
                number = file.fileno()
                module = [sys.executable, "-m", "playhead.replay.child.debugger", str(number)]
                done = subprocess.run(
                    [*wall.command(folders), *module],
                    cwd=self.options.app_dir,
                    env=environment(scratch, names=self.options.env),
                    pass_fds=[number],
                    check=False,
                )
        return done.returncode

    def _launcher(self) -> Launcher:
        if not self.options.guarded:
            return _NO_LAUNCHER
        return live_launcher() if self.options.live else launcher()

    def _kill(self, process: subprocess.Popen[bytes] | None = None) -> None:
        process = process or self._process
        if process is None:
            return
        # A launcher's own end does not end the process in every case.
        for member in reversed(_family(process.pid)):
            try:
                member.kill()
            except psutil.Error:
                continue
        process.kill()

    def send(self, document: dict[str, Any], timeout: float) -> None:
        """Send a request.

        Raises:
            WorkerError: The process ended.
        """
        assert self._channel is not None
        self._token = new_token()
        try:
            self._channel.send(self._token, document, timeout=timeout)
        except OSError:
            self._fail(_ENDED)

    def answer(self, timeout: float, late: str) -> dict[str, Any]:
        """Return the answer to the last request.

        Args:
            timeout: Seconds to wait.
            late: What did not happen in this time, as a clause, for the error.

        Raises:
            WorkerError: The process ended, used too much memory, or took too long.
            AnswerError: The answer is not one of this process's protocol.
        """
        assert self._channel is not None
        deadline = time.monotonic() + timeout
        try:
            return self._channel.answer(self._token, deadline=deadline, check=self._check)
        except TimeoutError:
            self._fail(late)
        except EOFError:
            self._fail(_ENDED)
        except GarbageError:
            raise self.garbage() from None

    def _check(self) -> None:
        """End the request if the process has ended, or uses too much memory."""
        assert self._process is not None
        if self._process.poll() is not None:
            self._fail(_ENDED)
        if sum(map(_memory, _family(self._process.pid))) > MAX_MEMORY_BYTES:
            self._fail(f"it used more than {MAX_MEMORY_BYTES >> 30} GiB of memory")

    def validated(self, convert: Callable[[Any], _Result], document: Any) -> _Result:
        """Convert a document of the process, which the user's code could have changed."""
        try:
            return convert(document)
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ):
            raise self.garbage() from None

    def garbage(self) -> errors.AnswerError:
        """End the process, and return the error of an invalid answer."""
        self.close()
        return errors.AnswerError(
            f"The answer of the process that runs {self.options.app} is invalid",
            "Code of the app wrote to a descriptor that it did not open, or changed the replay. "
            "There is no verdict.",
        )

    def _fail(self, why: str) -> NoReturn:
        assert self._process is not None
        if why == _ENDED:
            code = self._process.wait()
            if self._launcher().name in ("bubblewrap", "unshare") and code > 128:
                code = 128 - code
            why = f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
        last_output = ""
        if self._stderr is not None:
            self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - _STDERR_BYTES))
            last_output = self._stderr.read().decode(errors="replace").strip()
        self.close()
        hint = f"Its last output:\n{last_output}" if last_output else ""
        raise errors.WorkerError(f"The process that runs {self.options.app} ended: {why}", hint)


def _setup(wall: Launcher, folders: Folders, compiled: CompiledFilter) -> dict[str, Any]:
    """Return what a process needs to isolate itself; see `Confinement`."""
    return {
        "folders": folders.to_json(),
        "mount": wall.mounts_itself,
        "launcher": wall.name,
        "why_not": wall.why_not,
        "namespaces": {kind: _namespace(kind) for kind in _NAMESPACES},
        "filter": base64.b64encode(compiled.program).decode(),
        "seccomp": compiled.system_call,
    }


def _namespace(kind: str) -> int:
    try:
        return Path(f"/proc/self/ns/{kind}").stat().st_ino
    except OSError:
        return 0


def _family(pid: int) -> list[psutil.Process]:
    """Return a process and those that it started, directly or not; the process is first."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
