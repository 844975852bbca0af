"""The parent's side of the process that runs the user's code.

The process stays warm, since importing an agent app takes a second or two. It reads one request per
frame of its channel and answers each with one frame; see `playhead.replay.child`.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playhead import errors, settings
from playhead.replay.app_process import START_TIMEOUT, AppProcess, ProcessOptions
from playhead.replay.isolation import Isolation
from playhead.replay.report import Report
from playhead.replay.sandbox.environment import withheld
from playhead.replay.stop import Stop
from playhead.replay.what_ifs import LivePlan, WhatIfQuestion, WhatIfResult

if TYPE_CHECKING:
    from playhead.journal.recording import Recording
    from playhead.replay.engine.calls import Plan

__all__ = ["TIMEOUT", "Worker", "measured_isolation"]

TIMEOUT = 30.0
"""Default time limit of one request, in seconds."""


def measured_isolation(*, live: bool = False) -> Isolation:
    """Start a process as a replay does, without an app, and return how it is isolated.

    Args:
        live: Start it as a replay with live steps does.

    Raises:
        WorkerError: The process crashed or took too long.
    """
    with Worker("", live=live) as worker:
        worker.process.launch()
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
        self.timeout = timeout
        self.process = AppProcess(
            ProcessOptions(
                app,
                Path(app_dir).resolve() if app_dir else Path.cwd(),
                guarded=guarded,
                live=live,
                env=(*env, *settings.load().replay_env),
                require_isolation=require_isolation,
            )
        )
        self._blocked_import: tuple[str, ...] = ()

    @property
    def isolation(self) -> Isolation:
        """How the process is isolated, as it measured itself when it started."""
        return self.process.isolation

    @property
    def pid(self) -> int | None:
        """Process id of the innermost process; None while it does not run."""
        return self.process.pid

    def environment(self) -> dict[str, str]:
        """Return the process's variables."""
        return self.process.environment()

    def debug(self, recording: Recording, stop: Stop) -> int:
        """Open Python's debugger at a stop, in a process with this terminal; return its code."""
        return self.process.debug(recording.to_json(), stop)

    def close(self) -> None:
        """End the process and everything that it started; safe to call twice."""
        self.process.close()

    def interrupt(self) -> None:
        """End the process permanently, from any thread; a request under way raises WorkerError."""
        self.process.interrupt()

    # --- requests

    def report(self, recording: Recording | Path, *, explain: bool = True) -> Report:
        """Replay a recording, or its file; an error makes the verdict `refused`.

        Args:
            recording: The recording, or its path.
            explain: List all differences, not only the first one that the SDK refuses.
        """
        blocked: list[str] = []
        try:
            report = self._judged(recording, blocked, explain=explain)
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
            blocked=tuple(dict.fromkeys(blocked)),
            notes=(*report.notes, *notes),
            isolation=self.isolation,
        )

    def _judged(self, recording: Recording | Path, blocked: list[str], *, explain: bool) -> Report:
        """Run the code, and compute the report here, where the user's code cannot change it."""
        self.start()
        from playhead.journal.recording import Recording as RecordingType
        from playhead.replay import verdict
        from playhead.replay.engine.transcript import Playthrough, Transcript

        source = RecordingType.load(recording) if isinstance(recording, Path) else recording
        verdict.require_replayable(source)
        deadline = time.monotonic() + self.timeout

        def run(op: str, source: Recording | None, **fields: Any) -> Any:
            document, refused = self.request(op, source, deadline=deadline, **fields)
            blocked.extend(refused)
            return document

        def play(plan: Plan) -> Playthrough:
            return self.process.validated(Playthrough.from_json, run("play", None, plan=plan))

        transcript = self.process.validated(Transcript.from_json, run("strict", source))
        return self.process.validated(
            lambda _: verdict.report(source, transcript, play if explain else None), None
        )

    def stops(self, recording: Recording) -> tuple[tuple[Stop, ...], tuple[str, ...]]:
        """Return every stop of a recording, and the side effects that were blocked meanwhile.

        Raises:
            AppError: The app cannot be imported or does not serve the handler.
            WorkerError: The code crashed or exceeded the time limit.
        """
        document, blocked = self.request("stops", recording)
        stops = self.process.validated(lambda d: tuple(map(Stop.from_json, d["stops"])), document)
        return stops, tuple(blocked)

    def hits(self, recording: Recording, expression: str) -> frozenset[int]:
        """Return the ordinals of the commands at which a Python expression is true.

        Raises:
            ReplayError: The expression is not valid Python.
            AppError: The app cannot be imported or does not serve the handler.
            WorkerError: The code crashed or exceeded the time limit.
        """
        document, _ = self.request("stops", recording, expression=expression)
        return self.process.validated(lambda d: frozenset(map(int, d["hits"])), document)

    def what_if(self, recording: Recording, question: WhatIfQuestion) -> WhatIfResult:
        """Run the code with changed results.

        Raises:
            AppError: The app cannot be imported or does not serve the handler.
            ReplayError: A change does not name a result of the journal.
            WorkerError: The code crashed or exceeded the time limit.
        """
        document, blocked = self.request("what_if", recording, question=question.to_json())
        result = self.process.validated(
            lambda d: WhatIfResult.from_json({**d, "blocked": blocked}), document
        )
        return replace(result, isolation=self.isolation)

    def live_plan(self, recording: Recording, question: WhatIfQuestion) -> LivePlan:
        """Return the steps that a what-if would execute for real, without executing one.

        Raises: as `what_if` does.
        """
        document, _ = self.request("live_plan", recording, question=question.to_json())
        return self.process.validated(LivePlan.from_json, document)

    def annotate(self, recording: Recording) -> Recording:
        """Return the recording with the arguments that this code passes to its steps.

        Raises:
            AppError: The app cannot be imported or does not serve the handler.
            WorkerError: The code crashed or exceeded the time limit.
        """
        document, _ = self.request("annotate", recording)
        return type(recording).from_json(document)

    def request(
        self, op: str, recording: Recording | None, *, deadline: float | None = None, **fields: Any
    ) -> tuple[Any, list[str]]:
        """Send one request; return its result and the side effects that were blocked meanwhile.

        Args:
            op: An operation of `playhead.replay.child.operations`.
            recording: The recording; None for the one of the last request.
            deadline: Time of the monotonic clock at which to give up; by default, after `timeout`.
            fields: Further members of the request.

        Raises:
            WorkerError: The process crashed or exceeded the time limit; the next request starts a
                new one.
            ReplayError: The operation failed.
        """
        if recording is not None:
            fields["recording"] = recording.to_json()
            self.start()
        left = self.timeout if deadline is None else max(0.0, deadline - time.monotonic())
        self.process.send({"op": op, **fields, "timeout": left}, self.timeout)
        answer = self.process.answer(left, f"it did not finish within {self.timeout:g} s")
        blocked = self.process.validated(lambda a: [str(what) for what in a["blocked"]], answer)
        return self._unpack(answer), [*blocked, *self.process.blocked()]

    # --- the process

    def start(self) -> None:
        """Start the process and wait until it has imported the app.

        Raises:
            AppError: The app cannot be imported, or restate-sdk is not installed.
            WorkerError: Importing it crashed the process or exceeded the time limit.
        """
        if self.process.running:
            return
        if importlib.util.find_spec("restate") is None:
            raise errors.AppError(
                f"{self.app} cannot be imported: restate-sdk is not installed with Playhead",
                "A replay imports the app. Install Playhead in the app's environment, or add the "
                "app to Playhead's: `uvx --with . playhead replay …`.",
            )
        self.process.launch()
        # While the process imports the app, import what computes its verdicts.
        with contextlib.suppress(errors.AppError):
            importlib.import_module("playhead.replay.verdict")
        answer = self.process.answer(START_TIMEOUT, f"importing it took over {START_TIMEOUT:g} s")
        if "error" in answer:
            self.close()
            self._unpack(answer)
        blocked = self.process.validated(lambda a: [str(what) for what in a["blocked"]], answer)
        self._blocked_import = (*blocked, *self.process.blocked())

    def _unpack(self, answer: dict[str, Any]) -> Any:
        if "error" not in answer:
            return answer.get("result")
        title, hint = str(answer.get("title", "")), str(answer.get("hint", ""))
        kind = getattr(errors, str(answer["error"]), errors.ReplayError)
        if not (isinstance(kind, type) and issubclass(kind, errors.ReplayError)):
            raise self.process.garbage()
        if kind is errors.AppError and not self.process.options.live:
            names = withheld(title, self.process.options.env, os.environ)
            hint = "\n".join(filter(None, (hint, *map(_withheld_hint, names))))
        raise kind(title, hint)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _withheld_hint(name: str) -> str:
    return f"A replay does not pass on the variable {name}. If the app needs it, add --env {name}."
