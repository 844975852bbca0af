"""The strict verdict: would the SDK accept this journal with this code?"""

from __future__ import annotations

import functools
import re
from typing import Any

from playhead.journal.commands import Journal, result_kind, result_value
from playhead.journal.recording import Recording
from playhead.replay.engine.app import App
from playhead.replay.engine.handler_run import HandlerRun, attempt_body
from playhead.replay.engine.playback import waiting_at
from playhead.replay.engine.stack import raised_at, where
from playhead.replay.engine.watched_vm import WatchedVM
from playhead.replay.report import Divergence, Report
from playhead.restate.protocol.framing import ERROR
from playhead.values import readable

__all__ = ["strict"]

JOURNAL_MISMATCH = 570
"""The SDK's error code for code that does not fit its journal."""

_SPACE = re.compile(r"\s+")


def strict(app: App, recording: Recording) -> Report:
    """Feed the journal to the SDK and report its judgement. No closure is executed.

    Raises:
        AppError: the app does not serve this handler.
        RecordingError: the recording's entries are not what they say.
    """
    judge = _Judge(app, recording)
    attempt = HandlerRun(app, recording, functools.partial(WatchedVM, judge))
    judge.attempt = attempt
    attempt.on_idle = judge.idle
    attempt.replaying = lambda: judge.written < len(judge.journal.commands)
    outcome = attempt.run(attempt_body(recording))
    return judge.report(outcome.first(ERROR))


class _Judge:
    def __init__(self, app: App, recording: Recording) -> None:
        self.app = app
        self.recording = recording
        self.journal: Journal = recording.journal()
        self.attempt: HandlerRun | None = None
        self.written = 1  # Input
        self.last_where: str | None = None
        self.output: tuple[str, Any] | None = None
        self.wanted_steps: list[str] = []
        self.raised: tuple[str, str] | None = None
        self.waiting_at: str | None = None

    # --- what the state machine tells

    def command(self, type_: str, call: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.written += 1
        if type_ == "Output":
            self.output = ("failure" if call.endswith("failure") else "value", args[0])

    def refused(self) -> None:
        self.last_where = where(self.app.user)

    def parked(self, waiting: bool) -> None:
        assert self.attempt is not None
        self.attempt.parked = waiting

    def wanted(self, name: str) -> None:
        self.wanted_steps.append(name)

    def failed(self, message: str, stacktrace: str) -> None:
        self.raised = (message, stacktrace)

    def idle(self) -> bool:
        assert self.attempt is not None
        # Only the first time: later everything is being cancelled.
        self.waiting_at = self.waiting_at or waiting_at(self.app, self.attempt)
        return False

    # --- the verdict

    def report(self, error: bytes | None) -> Report:
        total = len(self.journal.commands)
        common: dict[str, Any] = {
            "invocation_id": self.recording.id,
            "target": self.recording.target,
            "commands": total,
            "replayed": min(self.written, total),
        }
        if error is not None:
            return self._from_error(error, common)
        if self.output is None:
            return Report("incomplete", **common, reason=self._why(), waiting_at=self.waiting_at)
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
        words = f"{message.message}\n{message.stacktrace}".strip()
        beyond = self.written >= len(self.journal.commands) and self.journal.output is None
        if self.raised is not None and message.code != JOURNAL_MISMATCH:
            if beyond:
                reason = f"past the end of the journal the handler raises {self.raised[0]}"
                return Report("incomplete", **common, reason=reason, sdk_message=words)
            divergence = Divergence(
                self.written, "error", self._recorded(self.written), self.raised[0],
                raised_at(self.app.user, self.raised[1]) or self.last_where,
            )  # fmt: skip
        else:
            index = message.related_command_index if _has(message) else self.written - 1
            divergence = Divergence(
                index, "mismatch", self._recorded(index), _SPACE.sub(" ", message.message),
                self.last_where,
            )  # fmt: skip
        common["replayed"] = min(divergence.command_index, common["commands"])
        return Report("diverged", **common, divergences=(divergence,), sdk_message=words)

    def _recorded(self, index: int) -> str | None:
        if not 0 <= index < len(self.journal.commands):
            return None
        command = self.journal.commands[index]
        text = f"{command.type} {command.name}".strip()
        if command.type == "Output" and result_kind(command.message) == "failure":
            return f"{text}: {result_value(command.message).message}"
        return text

    def _why(self) -> str:
        if self.wanted_steps:
            names = ", ".join(dict.fromkeys(self.wanted_steps))
            return f"the journal holds no result of step {names}"
        return "the journal holds no result for what the handler waits for"


def _has(message: Any) -> bool:
    return bool(message.HasField("related_command_index"))
