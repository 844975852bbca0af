"""The parent's side of the process that runs the user's code."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from playhead import errors
from playhead.journal.recording import Recording

__all__ = ["Worker", "namespaces_work"]

SECONDS = 30.0
"""Time limit of one request."""
IMPORT_SECONDS = 60.0
"""Time limit for importing the app."""
_TAIL_BYTES = 2000
_PLACEHOLDERS = (
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY",
    "GROQ_API_KEY", "CO_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY",
)  # fmt: skip
"""Clients of models refuse to be made without a key, which a replay never uses."""


@cache
def namespaces_work() -> bool:
    """Whether this system lets us put a process into a network namespace of its own."""
    program = shutil.which("unshare")
    if program is None:
        return False
    done = subprocess.run([program, "-rn", "true"], capture_output=True, check=False)
    return done.returncode == 0


class Worker:
    """A warm child process for one app; it is started again after a crash or a timeout.

    Not for several threads at once.
    """

    def __init__(
        self,
        app: str,
        *,
        folder: Path | str | None = None,
        seconds: float = SECONDS,
        guarded: bool = True,
        live: bool = False,
    ) -> None:
        """Describe it; the process starts with the first request.

        Args:
            app: `module:attribute`.
            folder: working directory and first place to import from; default the current one.
            seconds: time limit of a request.
            guarded: block side effects; only tests of the guard itself turn it off.
            live: keep the network reachable, for steps that are to run for real.
        """
        self.app = app
        self.folder = Path(folder).resolve() if folder else Path.cwd()
        self.seconds = seconds
        self._guarded = guarded
        self._live = live
        self._process: subprocess.Popen[bytes] | None = None
        self._given_up = False
        self._buffer = b""
        self._stderr: IO[bytes] | None = None

    def request(self, op: str, recording: Recording | Path, **fields: Any) -> tuple[Any, list[str]]:
        """Ask for something; returns the result and what was blocked meanwhile.

        Raises:
            WorkerError: the process crashed or took too long; the next request starts a new one.
            ReplayError: what the request itself raised.
        """
        self.start()
        source: dict[str, Any] = (
            {"recording": recording.to_json()}
            if isinstance(recording, Recording)
            else {"path": str(recording.resolve())}
        )
        self._send({"op": op, **source, **fields})
        answer = self._receive(self.seconds, f"it did not finish within {self.seconds:g} s")
        return self._unpack(answer), list(answer.get("blocked", ()))

    def start(self) -> None:
        """Start the process and wait until it has imported the app.

        Raises:
            AppError: the app cannot be loaded.
            WorkerError: importing it crashed the process or took too long.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        command = [
            *self.isolation(),
            *(sys.executable, "-m", "playhead.replay.child", self.app, str(self.folder)),
            "guarded" if self._guarded else "open",
        ]
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._buffer = b""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=self.folder,
            env=self.environment(),
        )
        if self._given_up:
            self._process.kill()
        answer = self._receive(IMPORT_SECONDS, f"importing it took over {IMPORT_SECONDS:g} s")
        if "error" in answer:
            self.close()
            self._unpack(answer)

    def close(self) -> None:
        """End the process. Safe to call twice."""
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
        """End the process from another thread, for good: what is asked of it raises WorkerError."""
        self._given_up = True
        process = self._process
        if process is not None:
            process.kill()

    @property
    def pid(self) -> int | None:
        """Process id; None while it does not run."""
        return None if self._process is None else self._process.pid

    def isolation(self) -> tuple[str, ...]:
        """The beginning of a command that runs without network; empty where it cannot be had."""
        wanted = self._guarded and not self._live and namespaces_work()
        return ("unshare", "-rn", "--") if wanted else ()

    def environment(self) -> dict[str, str]:
        """Variables of the process: no Restate server, no tracing, no real keys needed."""
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

    def _receive(self, seconds: float, late: str) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + seconds
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
            why = f"it ended with exit code {code}" if code >= 0 else f"it died of signal {-code}"
        tail = ""
        if self._stderr is not None:
            self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - _TAIL_BYTES))
            tail = self._stderr.read().decode(errors="replace").strip()
        self.close()
        raise errors.WorkerError(
            f"The process running {self.app} was given up: {why}."
            + (f"\nIts last output:\n{tail}" if tail else "")
        )

    @staticmethod
    def _unpack(answer: dict[str, Any]) -> Any:
        if "error" in answer:
            kind = getattr(errors, answer["error"], errors.ReplayError)
            raise kind(answer["text"])
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
