"""A handler run against a recording by the emulated state machine: all that it did."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from restate.vm import Failure

from playhead.decode.prompts import Messages
from playhead.journal.commands import Command, Result, ResultKey, type_of
from playhead.journal.recording import Recording
from playhead.replay.engine.app import App
from playhead.replay.engine.calls import Call
from playhead.replay.engine.emulated_vm import Answer, EmulatedVM
from playhead.replay.engine.handler_run import HandlerRun
from playhead.replay.engine.results import Results
from playhead.replay.engine.stack import HANDLER_TASK, frames_of_tasks, handler_at, where

__all__ = ["Matcher", "Pair", "Playback", "Policy"]


@dataclass(frozen=True, slots=True)
class Pair:
    """What the code did, and the recorded command that answered it."""

    call: Call
    recorded: Command | None
    """None: the journal has no such command."""


class Matcher(Protocol):
    """Finds the recorded command that answers a call."""

    def match(self, call: Call) -> Command | None:
        """The recorded command; None when there is none."""
        ...


class Policy(Protocol):
    """What commands get that the journal does not hold."""

    def answer(self, call: Call, playback: Playback) -> Answer:
        """How to answer; `Answer()` leaves the handler waiting for ever."""
        ...


class Playback:
    """One run of a handler. Use it once: `run()`, then read what happened."""

    def __init__(
        self,
        app: App,
        recording: Recording,
        matcher: Matcher,
        policy: Policy,
        on_call: Callable[[Call, Playback], None] | None = None,
        changed: Mapping[ResultKey, Any] | None = None,
    ) -> None:
        """Prepare the run.

        Args:
            app: whose handler runs.
            recording: where answers come from.
            matcher: finds the recorded command for each call.
            policy: what calls without one get.
            on_call: called before each command is answered, in the handler's own stack.
            changed: results to give instead of the recorded ones, as the SDK hands them out.
        """
        self.app = app
        self.recording = recording
        self.journal = recording.journal()
        changed = changed or {}
        self.results = Results(
            (r.key, changed[r.key] if r.key in changed else sdk_value(r.kind, r.value))
            for r in self.journal.results
        )
        self.pairs: list[Pair] = []
        self.state: dict[str, bytes | None] = {}
        """State as far as the run has seen it; None: known to be absent."""
        self.state_whole = False
        """Whether `state` holds all there is: the handler cleared everything before."""
        self.ended: Call | None = None
        """The Output that the handler wrote; None when it did not end."""
        self.raised: tuple[str, str] | None = None
        """Message and stack trace of what the handler raised, when the server would retry."""
        self.waiting_at: str | None = None
        self.ran: dict[ResultKey, Any] = {}
        """Results of closures that were executed."""
        self.attempt = HandlerRun(app, recording, functools.partial(EmulatedVM, self, recording))
        self.on_live: Callable[[bool], None] | None = None
        """Told when a closure begins and ends to run for real."""
        self._matcher, self._policy, self._on_call = matcher, policy, on_call
        self._left = len(self.journal.commands) - 1

    def run(self) -> Playback:
        """Run the handler to its end, or until it can only wait.

        Raises:
            AppError: the app does not serve this handler.
        """
        self.attempt.on_idle = self._note_where
        self.attempt.replaying = lambda: self.replaying
        self.attempt.run()
        return self

    def state_keys(self) -> list[str]:
        """Keys that have a value, as far as the run has seen."""
        return sorted(key for key, value in self.state.items() if value is not None)

    # --- what the state machine asks

    @property
    def replaying(self) -> bool:
        """Whether recorded commands are left."""
        return self._left > 0

    def command(
        self,
        type_: str,
        about: str,
        fields: dict[str, Any],
        arguments: Any = None,
        messages: Messages | None = None,
    ) -> Answer:
        """Answer a command from the recording, or as the policy says."""
        at = where(self.app.user) or handler_at(self.app.user, self.attempt.loop)
        call = Call(len(self.pairs) + 1, type_, about, fields, at, arguments, messages)
        if self._on_call is not None:
            self._on_call(call, self)
        recorded = self._matcher.match(call)
        self.pairs.append(Pair(call, recorded))
        if recorded is None:
            answer = self._policy.answer(call, self)
        else:
            self._left -= 1
            answer = self._recorded(recorded)
        self._follow_state(call, recorded)
        return answer

    def output(self, value: bytes | None, failure: Failure | None) -> None:
        """Note how the handler ended."""
        text = None if failure is None else f"{failure.code}: {failure.message}"
        fields = {"value": value, "failure": text}
        self.ended = Call(len(self.pairs) + 1, "Output", "", fields, self.attempt.ending.where)
        if self._on_call is not None:
            self._on_call(self.ended, self)

    def failed(self, message: str, stacktrace: str) -> None:
        """Note what the handler raised."""
        self.raised = (message, stacktrace)

    def parked(self, waiting: bool) -> None:
        """Note whether the handler waits for what is not there."""
        self.attempt.parked = waiting

    def started(self) -> None:
        """Let time pass for real while a closure runs."""
        self.attempt.loop.busy += 1
        if self.on_live is not None:
            self.on_live(True)

    def executed(self, result: ResultKey, value: bytes | Failure) -> None:
        """Note the result of a closure that ran."""
        self.attempt.loop.busy -= 1
        if self.on_live is not None:
            self.on_live(False)
        self.ran[result] = value

    # --- helpers

    def _recorded(self, command: Command) -> Answer:
        if command.type in ("GetEagerState", "GetEagerStateKeys"):
            key: ResultKey = ("eager", command.command_index)
            self.results.show(key, _eager(command))
            return Answer(key)
        result = command.completion_id
        callee = command.call_id_completion
        return Answer(
            (result and ("completion", result)) or None, (callee and ("completion", callee)) or None
        )

    def _follow_state(self, call: Call, recorded: Command | None) -> None:
        match call.type:
            case "SetState":
                self.state[call.about] = call.fields["value"]
            case "ClearState":
                self.state[call.about] = None
            case "ClearAllState":
                self.state, self.state_whole = {}, True
            case "GetState" if recorded is not None and not self._knows(call.about):
                self.state[call.about] = self._read(recorded)
            case _:
                pass

    def _knows(self, key: str) -> bool:
        return key in self.state or self.state_whole

    def _read(self, command: Command) -> bytes | None:
        if command.type == "GetEagerState":
            value = _eager(command)
        else:
            result = self.journal.result_of(command)
            value = None if result is None else sdk_value(result.kind, result.value)
        return value if isinstance(value, bytes) else None

    def _note_where(self) -> bool:
        if self.ended is None and self.raised is None and self.waiting_at is None:
            self.waiting_at = waiting_at(self.app, self.attempt)
        return False


def waiting_at(app: App, attempt: HandlerRun) -> str | None:
    """`file:line` where the user's code waits; tasks of its own are nearer than the handler."""
    stacks = frames_of_tasks(app.user, attempt.loop)
    for name in sorted(stacks, key=lambda n: n == HANDLER_TASK):
        frame = stacks[name][0]
        return f"{frame.f_code.co_filename}:{frame.f_lineno}"
    return None


def sdk_value(kind: str, value: Any) -> Any:
    """A recorded result as the SDK's state machine hands it out."""
    if kind == "failure":
        metadata = {m.key: m.value for m in value.metadata} or None
        return Failure(value.code, value.message, metadata=metadata)
    return value


def result_of(pair: Pair, playback: Playback) -> Result | None:
    """The recorded result of what the code did."""
    return None if pair.recorded is None else playback.journal.result_of(pair.recorded)


def _eager(command: Command) -> Any:
    if command.type == "GetEagerStateKeys":
        return [bytes(k).decode(errors="replace") for k in command.message.value.keys]
    if command.message.WhichOneof("result") == "value":
        return bytes(command.message.value.content)
    return None


def same_type(call: Call, command: Command) -> bool:
    """Whether a recorded command could answer the call at all."""
    return call.type == type_of(command)
