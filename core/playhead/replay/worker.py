"""The parent's side of the process that runs the user's code.

The process stays warm, since importing an agent app takes a second or two. It reads one JSON
request per line and answers each with one JSON line; see `playhead.replay.child`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from playhead import errors
from playhead.replay.changes import LivePlan, WhatIfQuestion, WhatIfResult
from playhead.replay.report import Report
from playhead.replay.stop import Stop

if TYPE_CHECKING:
    from playhead.journal.recording import Recording

__all__ = ["TIMEOUT", "Worker", "namespaces_work"]

TIMEOUT = 30.0
"""Default time limit of one request, in seconds."""
IMPORT_TIMEOUT = 60.0
"""Time limit for importing the app, in seconds."""
_STDERR_BYTES = 2000
_PLACEHOLDERS = (
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY",
    "GROQ_API_KEY", "CO_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY",
)  # fmt: skip
"""Variables for placeholder keys: model clients require a key, which a replay never uses."""


@cache
def namespaces_work() -> bool:
    """Return whether this system lets a process have its own network namespace."""
    program = shutil.which("unshare")
    if program is None:
        return False
    done = subprocess.run([program, "-rn", "true"], capture_output=True, check=False)
    return done.returncode == 0


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
    ) -> None:
        """Configure the process; it starts with the first request.

        Args:
            app: `module:attribute` of the Restate app.
            app_dir: Working directory and first entry of the import path; by default, the current
                directory.
            timeout: Time limit of one request, in seconds.
            guarded: Block side effects; only tests of the guard turn it off.
            live: Keep the network reachable, for steps that are executed for real.
        """
        self.app = app
        self.app_dir = Path(app_dir).resolve() if app_dir else Path.cwd()
        self.timeout = timeout
        self._guarded = guarded
        self._live = live
        self._process: subprocess.Popen[bytes] | None = None
        self._blocked_import: tuple[str, ...] = ()
        self._interrupted = False
        self._buffer = b""
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
        except errors.ReplayError as error:
            id_, target = (
                ("", "") if isinstance(recording, Path) else (recording.id, recording.target)
            )
            return Report("refused", id_, target, reason=error.title, hint=error.hint)
        report = Report.from_json(document)
        notes = [f"blocked while importing {self.app}: {what}" for what in self._blocked_import]
        return replace(report, blocked=tuple(blocked), notes=(*report.notes, *notes))

    def stops(self, recording: Recording) -> tuple[tuple[Stop, ...], tuple[str, ...]]:
        """Return every stop of a recording, and the side effects that were blocked meanwhile.

        Raises:
            AppError: The app cannot be imported or does not serve the handler.
            WorkerError: The code crashed or exceeded the time limit.
        """
        document, blocked = self.request("stops", recording)
        return tuple(Stop.from_json(stop) for stop in document["stops"]), tuple(blocked)

    def hits(self, recording: Recording, expression: str) -> frozenset[int]:
        """Return the ordinals of the commands at which a Python expression is true.

        Raises:
            ReplayError: The expression is not valid Python.
            AppError: The app cannot be imported or does not serve the handler.
            WorkerError: The code crashed or exceeded the time limit.
        """
        document, _ = self.request("stops", recording, expression=expression)
        return frozenset(document["hits"])

    def what_if(self, recording: Recording, question: WhatIfQuestion) -> WhatIfResult:
        """Run the code with changed results.

        Raises:
            AppError: The app cannot be imported or does not serve the handler.
            ReplayError: A change does not name a result of the journal.
            WorkerError: The code crashed or exceeded the time limit.
        """
        document, blocked = self.request("what_if", recording, question=question.to_json())
        return WhatIfResult.from_json({**document, "blocked": blocked})

    def live_plan(self, recording: Recording, question: WhatIfQuestion) -> LivePlan:
        """Return the steps that a what-if would execute for real, without executing one.

        Raises: as `what_if` does.
        """
        document, _ = self.request("live_plan", recording, question=question.to_json())
        return LivePlan.from_json(document)

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
        self.start()
        source: dict[str, Any] = (
            {"path": str(recording.resolve())}
            if isinstance(recording, Path)
            else {"recording": recording.to_json()}
        )
        self._send({"op": op, **source, **fields})
        answer = self._receive(self.timeout, f"it did not finish within {self.timeout:g} s")
        return self._unpack(answer), list(answer.get("blocked", ()))

    # --- the process

    def start(self) -> None:
        """Start the process and wait until it has imported the app.

        Raises:
            AppError: The app cannot be imported, or restate-sdk is not installed.
            WorkerError: Importing it crashed the process or exceeded the time limit.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        if importlib.util.find_spec("restate") is None:
            raise errors.AppError(
                f"{self.app} cannot be imported: restate-sdk is not installed with Playhead",
                "A replay imports the app. Install Playhead in the app's environment, or add the "
                "app to Playhead's: `uvx --with . playhead replay …`.",
            )
        command = [
            *self.isolation(),
            *(sys.executable, "-m", "playhead.replay.child", self.app, str(self.app_dir)),
            "guarded" if self._guarded else "open",
        ]
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._buffer = b""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=self.app_dir,
            env=self.environment(),
        )
        if self._interrupted:
            self._process.kill()
        answer = self._receive(IMPORT_TIMEOUT, f"importing it took over {IMPORT_TIMEOUT:g} s")
        if "error" in answer:
            self.close()
            self._unpack(answer)
        self._blocked_import = tuple(answer.get("blocked", ()))

    def close(self) -> None:
        """End the process; safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        if self._stderr is not None:
            self._stderr.close()

    def interrupt(self) -> None:
        """End the process permanently, from any thread; a request under way raises WorkerError."""
        self._interrupted = True
        process = self._process
        if process is not None:
            process.kill()

    @property
    def pid(self) -> int | None:
        """Process id; None while the process does not run."""
        return None if self._process is None else self._process.pid

    def isolation(self) -> tuple[str, ...]:
        """Return the command prefix that removes the network; empty where it is unavailable."""
        wanted = self._guarded and not self._live and namespaces_work()
        return ("unshare", "-rn", "--") if wanted else ()

    def environment(self) -> dict[str, str]:
        """Return the process's variables: no Restate server, no tracing, placeholder API keys."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("RESTATE_")}
        keys = {} if self._live else dict.fromkeys(_PLACEHOLDERS, "replay")
        return {
            **keys,
            **inherited,
            "OTEL_SDK_DISABLED": "true",
            "OTEL_TRACES_SAMPLER": "always_off",
            "LOGFIRE_SEND_TO_LOGFIRE": "false",
            "LOGFIRE_CONSOLE": "false",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONSAFEPATH": "1",
        }

    def _send(self, document: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(document).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            self._fail("it ended")

    def _receive(self, timeout: float, late: str) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout
        chunks = [self._buffer]
        while b"\n" not in chunks[-1]:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                self._fail(late)
            chunk = os.read(descriptor, 1 << 20)
            if not chunk:
                self._fail("it ended")
            chunks.append(chunk)
        line, _, self._buffer = b"".join(chunks).partition(b"\n")
        document: dict[str, Any] = json.loads(line)
        return document

    def _fail(self, why: str) -> None:
        assert self._process is not None
        if why == "it ended":
            code = self._process.wait()
            why = f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
        last_output = ""
        if self._stderr is not None:
            self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - _STDERR_BYTES))
            last_output = self._stderr.read().decode(errors="replace").strip()
        self.close()
        hint = f"Its last output:\n{last_output}" if last_output else ""
        raise errors.WorkerError(f"The process that runs {self.app} ended: {why}", hint)

    @staticmethod
    def _unpack(answer: dict[str, Any]) -> Any:
        if "error" in answer:
            kind = getattr(errors, answer["error"], errors.ReplayError)
            raise kind(answer["title"], answer.get("hint", ""))
        return answer.get("result")

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
