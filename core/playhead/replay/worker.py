"""The parent's side of the process that runs the user's code.

The process stays warm, since importing an agent app takes a second or two. It reads one request per
frame of its channel and answers each with one frame; see `playhead.replay.child`.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar

import psutil

from playhead import errors, settings
from playhead.replay.changes import LivePlan, WhatIfQuestion, WhatIfResult
from playhead.replay.isolation import Isolation
from playhead.replay.report import Report
from playhead.replay.sandbox.channel import Channel, GarbageError, new_token
from playhead.replay.sandbox.environment import environment, withheld
from playhead.replay.sandbox.folders import Folders, folders_for
from playhead.replay.sandbox.launch import Launcher, launcher
from playhead.replay.sandbox.system_calls import CompiledFilter, Supervisor, compiled_filter
from playhead.replay.stop import Stop

if TYPE_CHECKING:
    from playhead.journal.recording import Recording

__all__ = ["TIMEOUT", "Worker", "measured_isolation"]

TIMEOUT = 30.0
"""Default time limit of one request, in seconds."""
IMPORT_TIMEOUT = 60.0
"""Time limit for importing the app, in seconds."""
MAX_MEMORY_BYTES = 4 << 30
"""Memory that the process and all that it starts may use together."""
_STDERR_BYTES = 2000
_ENDED = "it ended"
_NAMESPACES = ("net", "pid", "mnt", "ipc", "user")
_NO_LAUNCHER = Launcher("", (), "steps that are executed for real need the network and files")
_NO_FILTER = CompiledFilter(why_not=_NO_LAUNCHER.why_not)
_Result = TypeVar("_Result")


def measured_isolation() -> Isolation:
    """Start a process as a replay does, without an app, and return how it is isolated.

    Raises:
        WorkerError: The process crashed or took too long.
    """
    with Worker("") as worker:
        worker.launch()
        return worker.isolation


class Worker:
    """A warm child process for one app, restarted by the next request after a crash or timeout.

    Not safe for use by several threads at once, except `interrupt`.
    """

    def __init__(
        self,
        app: str,
        *,
        app_dir: Path | str | None = None,
        timeout: float = TIMEOUT,
        guarded: bool = True,
        live: bool = False,
        env: Collection[str] = (),
        require_isolation: bool = False,
    ) -> None:
        """Configure the process; it starts with the first request.

        Args:
            app: `module:attribute` of the Restate app.
            app_dir: Working directory and first entry of the import path; by default, the current
                directory.
            timeout: Time limit of one request, in seconds.
            guarded: Block side effects; only tests of the guard turn it off.
            live: Keep network, files and API keys, for steps that are executed for real.
            env: Names of environment variables that the app needs, in addition to those of the
                setting `replay_env`.
            require_isolation: Refuse to import the app unless the operating system isolates it.
        """
        self.app = app
        self.app_dir = Path(app_dir).resolve() if app_dir else Path.cwd()
        self.timeout = timeout
        self.isolation = Isolation()
        """How the process is isolated, as it measured itself when it started."""
        self._guarded = guarded
        self._live = live
        self._env = (*env, *settings.load().replay_env)
        self._require_isolation = require_isolation
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._supervisor: Supervisor | None = None
        self._scratch: str | None = None
        self._token = b""
        self._blocked_import: tuple[str, ...] = ()
        self._interrupted = False
        self._stderr: IO[bytes] | None = None

    # --- requests

    def report(self, recording: Recording | Path, *, explain: bool = True) -> Report:
        """Replay a recording, or its file; an error makes the verdict `refused`.

        Args:
            recording: The recording, or its path, which the child process reads itself.
            explain: List all differences, not only the first one that the SDK refuses.
        """
        try:
            document, blocked = self.request("report", recording, explain=explain)
            report = self._validated(Report.from_json, document)
        except errors.ReplayError as error:
            id_, target = (
                ("", "") if isinstance(recording, Path) else (recording.id, recording.target)
            )
            verdict = "invalid" if isinstance(error, errors.AnswerError) else "refused"
            return Report(
                verdict, id_, target, reason=error.title, hint=error.hint, isolation=self.isolation
            )
        notes = [f"blocked while importing {self.app}: {what}" for what in self._blocked_import]
        # Only the kernel sees what native code tries, so the process itself cannot judge it.
        is_native = any(what.endswith("(native code)") for what in blocked)
        passes = report.verdict in ("same", "incomplete")
        return replace(
            report,
            verdict="blocked" if is_native and passes else report.verdict,
            blocked=tuple(blocked),
            notes=(*report.notes, *notes),
            isolation=self.isolation,
        )

    def stops(self, recording: Recording) -> tuple[tuple[Stop, ...], tuple[str, ...]]:
        """Return every stop of a recording, and the side effects that were blocked meanwhile.

        Raises:
            AppError: The app cannot be imported or does not serve the handler.
            WorkerError: The code crashed or exceeded the time limit.
        """
        document, blocked = self.request("stops", recording)
        stops = self._validated(lambda d: [Stop.from_json(stop) for stop in d["stops"]], document)
        return tuple(stops), tuple(blocked)

    def hits(self, recording: Recording, expression: str) -> frozenset[int]:
        """Return the ordinals of the commands at which a Python expression is true.

        Raises:
            ReplayError: The expression is not valid Python.
            AppError: The app cannot be imported or does not serve the handler.
            WorkerError: The code crashed or exceeded the time limit.
        """
        document, _ = self.request("stops", recording, expression=expression)
        return self._validated(lambda d: frozenset(map(int, d["hits"])), document)

    def what_if(self, recording: Recording, question: WhatIfQuestion) -> WhatIfResult:
        """Run the code with changed results.

        Raises:
            AppError: The app cannot be imported or does not serve the handler.
            ReplayError: A change does not name a result of the journal.
            WorkerError: The code crashed or exceeded the time limit.
        """
        document, blocked = self.request("what_if", recording, question=question.to_json())
        return self._validated(
            lambda d: WhatIfResult.from_json({**d, "blocked": blocked}), document
        )

    def live_plan(self, recording: Recording, question: WhatIfQuestion) -> LivePlan:
        """Return the steps that a what-if would execute for real, without executing one.

        Raises: as `what_if` does.
        """
        document, _ = self.request("live_plan", recording, question=question.to_json())
        return self._validated(LivePlan.from_json, document)

    def annotate(self, recording: Recording) -> Recording:
        """Return the recording with the arguments that this code passes to its steps.

        Raises:
            AppError: The app cannot be imported or does not serve the handler.
            WorkerError: The code crashed or exceeded the time limit.
        """
        document, _ = self.request("annotate", recording)
        return type(recording).from_json(document)

    def request(self, op: str, recording: Recording | Path, **fields: Any) -> tuple[Any, list[str]]:
        """Send one request; return its result and the side effects that were blocked meanwhile.

        Args:
            op: An operation of `playhead.replay.child.operations`.
            recording: The recording, or the path of its file.
            fields: Further members of the request.

        Raises:
            WorkerError: The process crashed or exceeded the time limit; the next request starts a
                new one.
            ReplayError: The operation failed.
        """
        data = None
        source: dict[str, Any] = {}
        if isinstance(recording, Path):
            from playhead.journal import file_format

            source["source"], data = str(recording), file_format.read(recording)
        else:
            source["recording"] = recording.to_json()
        self.start()
        self._send({"op": op, **source, **fields, "timeout": self.timeout}, data, self.timeout)
        answer = self._answer(self.timeout, f"it did not finish within {self.timeout:g} s")
        blocked = self._validated(lambda a: [str(what) for what in a["blocked"]], answer)
        if self._supervisor is not None:
            blocked += self._supervisor.take()
        return self._unpack(answer), blocked

    # --- the process

    def start(self) -> None:
        """Start the process and wait until it has imported the app.

        Raises:
            AppError: The app cannot be imported, or restate-sdk is not installed.
            WorkerError: Importing it crashed the process or exceeded the time limit.
        """
        if self._process is not None and self._process.poll() is None:
            return
        if importlib.util.find_spec("restate") is None:
            raise errors.AppError(
                f"{self.app} cannot be imported: restate-sdk is not installed with Playhead",
                "A replay imports the app. Install Playhead in the app's environment, or add the "
                "app to Playhead's: `uvx --with . playhead replay …`.",
            )
        self.launch()
        answer = self._answer(IMPORT_TIMEOUT, f"importing it took over {IMPORT_TIMEOUT:g} s")
        if "error" in answer:
            self.close()
            self._unpack(answer)
        blocked = self._validated(lambda a: [str(what) for what in a["blocked"]], answer)
        native = self._supervisor.take() if self._supervisor is not None else ()
        self._blocked_import = (*blocked, *native)

    def launch(self) -> None:
        """Start the process and wait until it has isolated itself; it then imports the app.

        Raises:
            IsolationError: The system does not isolate it, and `require_isolation` is set.
            WorkerError: It crashed or took too long.
        """
        self.close()
        self._scratch = tempfile.mkdtemp(prefix="playhead-replay-")
        folders = folders_for(str(self.app_dir), self._scratch)
        wall = self._launcher()
        compiled = compiled_filter() if self._is_isolated else _NO_FILTER
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
                cwd=self.app_dir,
                env=self.environment(),
                pass_fds=[theirs.fileno()],
            )
        if self._interrupted:
            self._kill()
        setup = {
            **confinement_setup(wall, folders, compiled),
            "app": self.app,
            "app_dir": str(self.app_dir),
            "guarded": self._guarded,
            "files": self._is_isolated,
        }
        self._send(setup, None, IMPORT_TIMEOUT)
        self.isolation = self._isolation(compiled, folders)
        if self._require_isolation and not self.isolation.complete:
            isolation = self.isolation
            self.close()
            raise errors.IsolationError(
                f"The replay is not isolated: {isolation.sentence}",
                "\n".join(f"{name}: {why}" for name, why in isolation.unavailable.items()),
            )

    def _isolation(self, compiled: CompiledFilter, folders: Folders) -> Isolation:
        late = "it did not start"
        if self._answer(IMPORT_TIMEOUT, late).get("listener"):
            assert self._channel is not None
            try:
                deadline = time.monotonic() + IMPORT_TIMEOUT
                listener = self._channel.receive_descriptor(deadline=deadline)
            except (OSError, EOFError):
                self._fail(_ENDED)
            self._supervisor = Supervisor(listener, compiled, (folders.scratch, "/dev/shm"))
        found = self._validated(Isolation.from_json, self._answer(IMPORT_TIMEOUT, late))
        if self._supervisor is not None:
            self._supervisor.take()  # the process's own tests
        why_not = {"seccomp": compiled.why_not} if compiled.why_not else {}
        return replace(found, unavailable={**found.unavailable, **why_not})

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
    def pid(self) -> int | None:
        """Process id of the innermost process; None while it does not run."""
        if self._process is None:
            return None
        family = _family(self._process.pid)
        return family[-1].pid if family else self._process.pid

    def environment(self) -> dict[str, str]:
        """Return the process's variables."""
        return environment(self._scratch or "", names=self._env, live=self._live)

    def debug(self, recording: Recording, stop: Stop) -> int:
        """Open Python's debugger at a stop, in a process with this terminal; return its exit code.

        The terminal stays the parent's, so the process has no channel and no filter.
        """
        with tempfile.TemporaryDirectory(prefix="playhead-replay-") as scratch:
            folders = folders_for(str(self.app_dir), scratch)
            wall = self._launcher()
            question = {
                **confinement_setup(wall, folders, CompiledFilter()),
                "app": self.app,
                "app_dir": str(self.app_dir),
                "recording": recording.to_json(),
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
                    cwd=self.app_dir,
                    env=environment(scratch, names=self._env),
                    pass_fds=[number],
                    check=False,
                )
        return done.returncode

    @property
    def _is_isolated(self) -> bool:
        return self._guarded and not self._live

    def _launcher(self) -> Launcher:
        return launcher() if self._is_isolated else _NO_LAUNCHER

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

    def _send(self, document: dict[str, Any], data: bytes | None, timeout: float) -> None:
        assert self._channel is not None
        self._token = new_token()
        try:
            self._channel.send(
                self._token, {**document, "has_data": data is not None}, timeout=timeout
            )
            if data is not None:
                self._channel.send_bytes(self._token, data, timeout=timeout)
        except OSError:
            self._fail(_ENDED)

    def _answer(self, timeout: float, late: str) -> dict[str, Any]:
        assert self._channel is not None
        deadline = time.monotonic() + timeout
        try:
            return self._channel.answer(self._token, deadline=deadline, check=self._check)
        except TimeoutError:
            self._fail(late)
        except EOFError:
            self._fail(_ENDED)
        except GarbageError:
            raise self._garbage() from None

    def _check(self) -> None:
        """End the request if the process has ended, or uses too much memory."""
        assert self._process is not None
        if self._process.poll() is not None:
            self._fail(_ENDED)
        if sum(map(_memory, _family(self._process.pid))) > MAX_MEMORY_BYTES:
            self._fail(f"it used more than {MAX_MEMORY_BYTES >> 30} GiB of memory")

    def _validated(self, convert: Callable[[Any], _Result], document: Any) -> _Result:
        """Convert a document of the process, which the user's code could have changed."""
        try:
            return convert(document)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            raise self._garbage() from None

    def _garbage(self) -> errors.AnswerError:
        self.close()
        return errors.AnswerError(
            f"The answer of the process that runs {self.app} is invalid",
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
        raise errors.WorkerError(f"The process that runs {self.app} ended: {why}", hint)

    def _unpack(self, answer: dict[str, Any]) -> Any:
        if "error" not in answer:
            return answer.get("result")
        title, hint = str(answer.get("title", "")), str(answer.get("hint", ""))
        kind = getattr(errors, str(answer["error"]), errors.ReplayError)
        if not (isinstance(kind, type) and issubclass(kind, errors.ReplayError)):
            raise self._garbage()
        if kind is errors.AppError and not self._live:
            names = withheld(title, self._env, os.environ)
            hint = "\n".join(filter(None, (hint, *map(_withheld_hint, names))))
        raise kind(title, hint)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def confinement_setup(wall: Launcher, folders: Folders, compiled: CompiledFilter) -> dict[str, Any]:
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


def _withheld_hint(name: str) -> str:
    return f"A replay does not pass on the variable {name}. If the app needs it, add --env {name}."


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
