"""The verdict on a recording, computed outside the process that runs the user's code.

That process sends the operations of the handler (`playhead.replay.engine.transcript`). A state
machine of the SDK that the user's code cannot reach carries them out against the recording.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from playhead.errors import RecordingError
from playhead.journal.commands import Journal, result_kind, result_value
from playhead.journal.recording import Recording
from playhead.replay.differences.explain import explained, playthrough
from playhead.replay.differences.not_compared import not_compared_at_all
from playhead.replay.divergence import Divergence
from playhead.replay.engine.app import App
from playhead.replay.engine.calls import Plan
from playhead.replay.engine.handler_run import content_type, request_body
from playhead.replay.engine.sdk import (
    COMMANDS,
    Failure,
    SingleUnresolvedFuture,
    VMException,  # pyright: ignore[reportUnknownVariableType]
    limitations,
)
from playhead.replay.engine.strict import (
    ALSO_NOTED,
    FUTURES,
    JOURNAL_MISMATCH,
    StrictRun,
    WatchedVM,
)
from playhead.replay.engine.transcript import OperationCall, Playthrough, Transcript
from playhead.replay.report import Report
from playhead.restate.ids import is_invocation_id
from playhead.restate.protocol.framing import ERROR, frames
from playhead.values import readable

__all__ = ["judged", "replay_here", "report", "require_replayable", "strict"]

_SPACE = re.compile(r"\s+")
_OPERATIONS = frozenset({*COMMANDS, *ALSO_NOTED, "do_progress", "notify_error"})
_MOST_NESTED = 100


def require_replayable(recording: Recording) -> None:
    """Raise RecordingError for values that no server writes, and that the SDK could not read."""
    if not is_invocation_id(recording.id):
        raise RecordingError(f"invocation.id: {recording.id!r} is not an invocation id")
    if not 0 <= (recording.random_seed or 0) < 1 << 64:
        raise RecordingError("random_seed: a seed has 64 bits")


def strict(
    app: App, recording: Recording, *, blocked: Callable[[], bool] = lambda: False
) -> Report:
    """Run an app in this process and return the SDK's verdict; no closure is executed.

    Args:
        app: App that serves the handler.
        recording: Recording to replay.
        blocked: Returns whether a side effect of the handler was blocked so far.

    Raises:
        AppError: The app does not serve this handler.
        RecordingError: An entry's bytes do not match its type.
    """
    return judged(recording, StrictRun(app, recording, blocked).transcript())


def replay_here(app: App, recording: Recording, *, explain: bool = True) -> Report:
    """Return the report of a run in this process, without isolation; raises as `strict` does."""
    transcript = StrictRun(app, recording).transcript()
    play = functools.partial(playthrough, app, recording)
    return report(recording, transcript, play if explain else None)


def judged(recording: Recording, transcript: Transcript) -> Report:
    """Return the SDK's verdict on what a handler did.

    A command that was refused before anything was blocked is refused by Restate, too. Every other
    run with a blocked side effect could have been different without the block.

    Raises:
        ValueError, TypeError, ArithmeticError or LookupError: The SDK writes no such transcript.
    """
    report = _Judge(recording, transcript).report()
    certain = transcript.certain and report.sdk_message is not None
    return replace(report, verdict="blocked") if transcript.blocked and not certain else report


def report(
    recording: Recording,
    transcript: Transcript,
    play: Callable[[Plan], Playthrough] | None = None,
) -> Report:
    """Return the verdict and all differences.

    Only the SDK and the guard determine the verdict. A difference is fatal only if the SDK refuses
    the journal.

    Args:
        recording: Recording to replay.
        transcript: What the handler did with its journal.
        play: Runs the handler under the emulated state machine, with a plan; None to list only the
            difference that the SDK refuses.

    Raises: as `judged` does.
    """
    verdict = judged(recording, transcript)
    if play is None:
        unknown = not_compared_at_all(recording.journal().steps())
        return replace(verdict, not_compared=unknown)
    explanation = explained(recording, play)
    found = explanation.divergences
    if verdict.verdict == "blocked":
        found = tuple(replace(d, fatal=d.fatal and verdict.sdk_message is not None) for d in found)
    elif verdict.verdict != "diverged":
        found = tuple(replace(d, fatal=False) for d in found)
    elif not any(d.fatal for d in found):
        found = (*verdict.divergences, *found)
    return replace(
        verdict,
        divergences=found,
        notes=(*explanation.notes, *limitations()),
        not_compared=explanation.not_compared,
    )


class _Judge:
    """The SDK's own state machine, with the recording, and the operations of a handler."""

    def __init__(self, recording: Recording, transcript: Transcript) -> None:
        self.recording = recording
        self.transcript = transcript
        self.journal: Journal = recording.journal()
        self.written = 1  # Input
        self.raised: str | None = None
        """Message of the handler's exception, if the server would retry."""
        self.output: tuple[str, Any] | None = None
        """Kind (`value` or `failure`) and content of the Output command."""
        self.ended = False
        """Whether the handler ended; nothing counts after that."""
        self._steps_without_result: list[str] = []

    # --- called by the state machine

    def called(self, call: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Record the end of the handler."""
        self.ended |= call == "sys_end"

    def command(self, type_: str, call: str, args: tuple[Any, ...]) -> None:
        """Record a command that the handler is about to write."""
        if self.ended:
            return
        if self.output is not None:
            raise ValueError(f"{call} follows the output")
        self.written += 1
        if type_ == "Output":
            kind, wanted = ("failure", Failure) if call.endswith("failure") else ("value", bytes)
            if not isinstance(args[0], wanted):
                raise TypeError(f"the output is of type {type(args[0]).__name__}")
            self.output = (kind, args[0])

    def refused(self) -> None:
        """Ignore it: the state machine's own output has the reason."""

    def parked(self, waiting: bool) -> None:
        """Ignore it: nothing runs here."""

    def missing_result(self, step: str) -> None:
        """Record a step without a result that the handler awaits."""
        self._steps_without_result.append(step)

    def failed(self, message: str, stacktrace: str) -> None:
        """Record an exception of the handler."""
        self.raised = message

    # --- the verdict

    def report(self) -> Report:
        """Carry out the operations and return the verdict."""
        headers = [("content-type", content_type(self.recording))]
        vm = WatchedVM(self, headers, not self.transcript.payload_checks)
        vm.notify_input(request_body(self.recording))
        _carry_out(vm, self.transcript.calls)
        error = next((m for code, m in frames(bytes(vm.take_output())) if code == ERROR), None)
        total = len(self.journal.commands) - 1
        common: dict[str, Any] = {
            "invocation_id": self.recording.id,
            "target": self.recording.target,
            "commands": total,
            "replayed": min(self.written - 1, total),
        }
        if error is not None:
            return self._from_error(error, common)
        if self.output is None and self.written <= total:
            return self._unfinished(common)
        if self.output is None:
            reason, at = self._why_waiting(), self.transcript.waiting_at
            return Report("incomplete", **common, reason=reason, waiting_at=at)
        if not self.ended:
            raise ValueError("the handler has an output, but does not end")
        kind, value = self.output
        ended: dict[str, Any] = (
            {"failure": f"{value.code}: {value.message}"}
            if kind == "failure"
            else {"output": readable(value)}
        )
        if self.journal.output is None:
            return Report("incomplete", **common, **ended, reason="the code ends the handler")
        return Report("same", **common, **ended)

    def _unfinished(self, common: dict[str, Any]) -> Report:
        """Return the report on a handler that waits before the end of its journal."""
        at, index = self.transcript.waiting_at, min(self.written, len(self.journal.commands) - 1)
        recorded, position = self._recorded(index), self.journal.commands[index].index
        current = "the handler waits, and writes no further command"
        unfinished = Divergence(index, "removed", recorded, current, at, journal_index=position)
        return Report("diverged", **common, divergences=(unfinished,), waiting_at=at)

    def _from_error(self, error: bytes, common: dict[str, Any]) -> Report:
        from playhead.restate.protocol.service_protocol_pb2 import ErrorMessage

        message = ErrorMessage.FromString(error)
        sdk_message = f"{message.message}\n{message.stacktrace}".strip()
        if self.raised is not None and message.code != JOURNAL_MISMATCH:
            if self.written >= len(self.journal.commands) and self.journal.output is None:
                reason = f"after the end of the journal, the handler raises {self.raised}"
                return Report("incomplete", **common, reason=reason, sdk_message=sdk_message)
            index, kind, current = self.written, "error", self.raised
            at = self.transcript.raised_at or self.transcript.refused_at
        else:
            related = message.HasField("related_command_index")
            index = message.related_command_index if related else self.written - 1
            kind, current = "mismatch", _SPACE.sub(" ", message.message)
            at = self.transcript.refused_at
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


def _carry_out(vm: WatchedVM, calls: Iterable[OperationCall]) -> None:
    operations = {name: getattr(vm, name) for name in _OPERATIONS}
    for name, args, kwargs in calls:
        if name == "do_progress":
            args = [_future(args[0])]
        elif args and isinstance(args[-1], dict):
            args = [*args[:-1], _failure(args[-1])]
        try:
            operations[name](*args, **kwargs)
        except VMException:
            continue  # the state machine's output has the reason
        except BaseException as error:
            # PyO3 raises a panic of the state machine as a BaseException.
            if isinstance(error, Exception | KeyboardInterrupt | SystemExit):
                raise
            raise ValueError(f"the state machine of the SDK fails: {error}") from None


def _failure(document: Any) -> Failure:
    return Failure(**document)


def _future(document: Any, depth: int = 0) -> Any:
    if isinstance(document, int):
        return SingleUnresolvedFuture(document)
    name, *children = document
    if depth == _MOST_NESTED:
        raise ValueError("futures are nested too deep")
    return FUTURES[name]([_future(child, depth + 1) for child in children])
