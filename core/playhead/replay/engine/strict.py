"""The strict verdict: whether the SDK accepts a journal with today's code."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from playhead.journal.commands import Journal, result_kind, result_value
from playhead.journal.recording import Recording
from playhead.replay.divergence import Divergence
from playhead.replay.engine.app import App
from playhead.replay.engine.handler_run import HandlerRun, request_body
from playhead.replay.engine.sdk import (
    COMMANDS,
    DoProgressExecuteRun,
    DoProgressWaitExternalProgress,
    VMException,  # pyright: ignore[reportUnknownVariableType]
    VMWrapper,
)
from playhead.replay.engine.stack import raised_at, where
from playhead.replay.report import Report
from playhead.restate.protocol.framing import ERROR
from playhead.values import readable

__all__ = ["StrictRun", "strict"]

JOURNAL_MISMATCH = 570
"""The SDK's error code for code that does not match its journal."""

_SPACE = re.compile(r"\s+")


def strict(
    app: App, recording: Recording, *, blocked: Callable[[], bool] = lambda: False
) -> Report:
    """Feed the journal to the SDK and report its verdict; no closure is executed.

    Args:
        app: App that serves the handler.
        recording: Recording to replay.
        blocked: Returns whether a side effect of the handler was blocked so far.

    Raises:
        AppError: The app does not serve this handler.
        RecordingError: An entry's bytes do not match its type.
    """
    return StrictRun(app, recording, blocked).report()


class StrictRun:
    """One watched run of a handler under the SDK's own state machine."""

    def __init__(
        self, app: App, recording: Recording, blocked: Callable[[], bool] = lambda: False
    ) -> None:
        self.app = app
        self.recording = recording
        self.journal: Journal = recording.journal()
        self.written = 1  # Input
        self.raised: tuple[str, str] | None = None
        """Message and stack trace of the handler's exception, if the server would retry."""
        self.output: tuple[str, Any] | None = None
        """Kind (`value` or `failure`) and content of the Output command."""
        self._last_where: str | None = None
        self._blocked = blocked
        self._certain: bool | None = None
        """Whether nothing was blocked before the state machine refused a command."""
        self._steps_without_result: list[str] = []
        self._run = HandlerRun(
            app,
            recording,
            functools.partial(_WatchedVM, self),
            replaying=lambda: self.written < len(self.journal.commands),
        )

    # --- called by the state machine

    def command(self, type_: str, call: str, args: tuple[Any, ...]) -> None:
        """Record a command that the handler is about to write."""
        self.written += 1
        if type_ == "Output":
            self.output = ("failure" if call.endswith("failure") else "value", args[0])

    def refused(self) -> None:
        """Record the place in the code: the state machine refused its last command."""
        self._last_where = where(self.app.user)
        if self._certain is None:
            self._certain = not self._blocked()

    def parked(self, waiting: bool) -> None:
        """Record whether the handler awaits a result that does not exist."""
        self._run.parked = waiting

    def missing_result(self, step: str) -> None:
        """Record a step without a result that the handler awaits; its closure does not run."""
        self._steps_without_result.append(step)

    def failed(self, message: str, stacktrace: str) -> None:
        """Record an exception of the handler."""
        self.raised = (message, stacktrace)

    # --- the verdict

    def report(self) -> Report:
        """Run the handler and return the SDK's verdict.

        A command that was refused before anything was blocked is refused by Restate, too. Every
        other run with a blocked side effect could have been different without the block.
        """
        report = self._report()
        return (
            replace(report, verdict="blocked") if self._blocked() and not self._certain else report
        )

    def _report(self) -> Report:
        error = self._run.run(request_body(self.recording)).first(ERROR)
        total = len(self.journal.commands) - 1
        common: dict[str, Any] = {
            "invocation_id": self.recording.id,
            "target": self.recording.target,
            "commands": total,
            "replayed": min(self.written - 1, total),
        }
        if error is not None:
            return self._from_error(error, common)
        if self.output is None:
            reason, at = self._why_waiting(), self._run.waiting_at
            return Report("incomplete", **common, reason=reason, waiting_at=at)
        kind, value = self.output
        ended: dict[str, Any] = (
            {"failure": f"{value.code}: {value.message}"}
            if kind == "failure"
            else {"output": readable(value)}
        )
        if self.journal.output is None:
            return Report("incomplete", **common, **ended, reason="the code ends the handler")
        return Report("same", **common, **ended)

    def _from_error(self, error: bytes, common: dict[str, Any]) -> Report:
        from playhead.restate.protocol.service_protocol_pb2 import ErrorMessage

        message = ErrorMessage.FromString(error)
        sdk_message = f"{message.message}\n{message.stacktrace}".strip()
        if self.raised is not None and message.code != JOURNAL_MISMATCH:
            if self.written >= len(self.journal.commands) and self.journal.output is None:
                reason = f"after the end of the journal, the handler raises {self.raised[0]}"
                return Report("incomplete", **common, reason=reason, sdk_message=sdk_message)
            index, kind, current = self.written, "error", self.raised[0]
            at = raised_at(self.app.user, self.raised[1]) or self._last_where
        else:
            related = message.HasField("related_command_index")
            index = message.related_command_index if related else self.written - 1
            kind, current = "mismatch", _SPACE.sub(" ", message.message)
            at = self._last_where
        divergence = Divergence(
            index,
            kind,
            self._recorded(index),
            current,
            at,
            journal_index=self.journal.commands[index].index
            if 0 <= index < len(self.journal.commands)
            else None,
        )
        common["replayed"] = max(0, min(index - 1, common["commands"]))
        return Report("diverged", **common, divergences=(divergence,), sdk_message=sdk_message)

    def _recorded(self, index: int) -> str | None:
        if not 0 <= index < len(self.journal.commands):
            return None
        command = self.journal.commands[index]
        text = f"{command.type} {command.name}".strip()
        if command.type == "Output" and result_kind(command.message) == "failure":
            return f"{text}: {result_value(command.message).message}"
        return text

    def _why_waiting(self) -> str:
        if self._steps_without_result:
            names = ", ".join(dict.fromkeys(self._steps_without_result))
            return f"the journal has no result of step {names}"
        return "the journal has no result for the operation that the handler awaits"


class _WatchedVM(VMWrapper):
    """The SDK's own state machine; notifies a StrictRun of each command before it is written.

    A step without a result stays without one: its closure is never handed out. Handlers with
    explicit recovery are replayed, too; the SDK would run them from the start.
    """

    def __init__(
        self,
        observer: StrictRun,
        headers: list[tuple[str, str]],
        disable_payload_checks: bool = False,
        explicit_recovery: bool = False,
    ) -> None:
        super().__init__(headers, disable_payload_checks, explicit_recovery=False)
        self._observer = observer
        self._run_names: dict[int, str] = {}
        """Names of the steps that are not in the journal, by handle."""
        self._parked = False
        for call, type_ in COMMANDS.items():
            setattr(self, call, self._watched(call, type_))

    def __setattr__(self, name: str, value: Any) -> None:
        # Another class could execute closures.
        if name == "__class__":
            raise TypeError("the state machine of a replay cannot be replaced")
        super().__setattr__(name, value)

    def do_progress(self, unresolved_future: Any) -> Any:
        progress = super().do_progress(unresolved_future)
        while isinstance(progress, DoProgressExecuteRun):
            self._observer.missing_result(self._run_names.get(progress.handle, "?"))
            progress = super().do_progress(unresolved_future)
        waiting = isinstance(progress, DoProgressWaitExternalProgress)
        if waiting != self._parked:
            self._parked = waiting
            self._observer.parked(waiting)
        return progress

    def notify_error(self, error: str, stacktrace: str, delay_override: Any = None) -> None:
        self._observer.failed(error, stacktrace)
        super().notify_error(error, stacktrace, delay_override)

    def _watched(self, call: str, type_: str) -> Callable[..., Any]:
        original = getattr(super(), call)
        command, is_run = self._observer.command, type_ == "Run"

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            command(type_, call, args)
            try:
                result = original(*args, **kwargs)
            except VMException:
                self._observer.refused()
                raise
            if is_run and not result.replayed:
                self._run_names[result.handle] = args[0]
            return result

        return watched
