"""A run of a handler with answers from a recording, and everything that it did."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from playhead.decode.prompts import Messages
from playhead.journal.commands import Command, ResultKey
from playhead.journal.recording import Recording
from playhead.replay.engine.app import App
from playhead.replay.engine.calls import Answer, Call, Matcher, NearestMatcher, Pair, Plan
from playhead.replay.engine.emulated_vm import EmulatedVM
from playhead.replay.engine.handler_run import HandlerRun
from playhead.replay.engine.results import Results, sdk_value
from playhead.replay.engine.sdk import Failure
from playhead.replay.engine.stack import handler_at, where

__all__ = ["Assume", "Dry", "Playback", "Policy", "play"]

_WITHOUT_RESULT = ("SetState", "ClearState", "ClearAllState", "Sleep", "OneWayCall")


class Policy(Protocol):
    """A policy for calls that the journal does not answer."""

    def answer(self, call: Call, playback: Playback) -> Answer:
        """Return how to answer a call; `Answer()` leaves the handler waiting."""
        ...


class Dry:
    """A policy that only answers reads of state that the run has read or written before."""

    def answer(self, call: Call, playback: Playback) -> Answer:
        """Answer with a known state value; without one, the handler waits."""
        if call.type == "GetState" and (call.name in playback.state or playback.state_whole):
            playback.results.show(call.new_result, playback.state.get(call.name))
        elif call.type == "GetStateKeys" and playback.state_whole:
            playback.results.show(call.new_result, playback.state_keys())
        else:
            return Answer()
        return Answer(call.new_result)


class Assume:
    """A policy that answers every call, if necessary with `None`, to keep the handler running."""

    @staticmethod
    def assumes(call: Call) -> bool:
        """Return whether the handler may have used the result `None` of a call."""
        return call.type != "GetPromise" and call.type not in _WITHOUT_RESULT

    def answer(self, call: Call, playback: Playback) -> Answer:
        """Answer with a known state value, else `None`; a promise is never resolved."""
        if call.type == "GetPromise":
            return Answer()
        value: object = None
        if call.type == "GetState":
            value = playback.state.get(call.name)
        elif call.type == "GetStateKeys":
            value = playback.state_keys()
        playback.results.show(call.new_result, value)
        playback.results.show(call.new_invocation_id, f"(no invocation: {call.title} is new)")
        return Answer(call.new_result, call.new_invocation_id)


def play(
    app: App,
    recording: Recording,
    policy: Policy,
    *,
    plan: Plan = (),
    matcher: Matcher | None = None,
    changed: Mapping[ResultKey, Any] | None = None,
    on_begin: Callable[[Playback], None] | None = None,
    on_call: Callable[[Call, Playback], None] | None = None,
    on_live: Callable[[bool], None] | None = None,
) -> Playback:
    """Run a handler against a recording until it ends or can only wait.

    Args:
        app: App that serves the handler.
        recording: Recording that provides the answers.
        policy: A policy for calls that the journal does not answer.
        plan: Recorded step that answers each of the first calls; the nearest ones answer the
            others.
        matcher: Finds the recorded command of each call, instead of a plan.
        changed: Results that replace recorded ones, in the form in which the SDK returns them.
        on_begin: Called before the handler starts.
        on_call: Called before each command is answered, in the handler's own stack.
        on_live: Called with True before a closure is executed for real, with False after it.

    Raises:
        AppError: The app does not serve this handler.
    """
    playback = Playback(app, recording, policy, plan, matcher, changed or {}, on_call, on_live)
    if on_begin is not None:
        on_begin(playback)
    playback.handler_run.run()
    return playback


class Playback:
    """One run of a handler under the emulated state machine; made by `play`."""

    def __init__(
        self,
        app: App,
        recording: Recording,
        policy: Policy,
        plan: Plan,
        matcher: Matcher | None,
        changed: Mapping[ResultKey, Any],
        on_call: Callable[[Call, Playback], None] | None,
        on_live: Callable[[bool], None] | None,
    ) -> None:
        self.app = app
        self.recording = recording
        self.journal = recording.journal()
        self.results = Results(
            (r.key, changed[r.key] if r.key in changed else sdk_value(r.kind, r.value))
            for r in self.journal.results
        )
        self.pairs: list[Pair] = []
        """Every command in order, without Input and Output."""
        self.state: dict[str, bytes | None] = {}
        """State that the run has read or written; None if known to be absent."""
        self.state_whole = False
        """Whether `state` is complete: the handler cleared everything before."""
        self.ended: Call | None = None
        """The Output that the handler wrote; None while it has not ended."""
        self.raised: tuple[str, str] | None = None
        """Message and stack trace of the handler's exception, if the server would retry."""
        self.executed_results: dict[ResultKey, Any] = {}
        """Results of closures that were executed."""
        self.handler_run = HandlerRun(
            app,
            recording,
            functools.partial(EmulatedVM, self, recording),
            replaying=lambda: self.replaying,
        )
        self._matcher = matcher or NearestMatcher(tuple(self.journal.steps()), plan)
        self._policy = policy
        self._on_call, self._on_live = on_call, on_live
        self._left = len(self.journal.commands) - 1

    @property
    def taken(self) -> Plan:
        """The plan that was followed; empty with another matcher."""
        matcher = self._matcher
        return tuple(matcher.taken) if isinstance(matcher, NearestMatcher) else ()

    @property
    def waiting_at(self) -> str | None:
        """`file:line` where the handler waited when the run could not continue."""
        return self.handler_run.waiting_at

    def state_keys(self) -> list[str]:
        """Return the keys that are known to have a value."""
        return sorted(key for key, value in self.state.items() if value is not None)

    # --- called by the state machine

    @property
    def replaying(self) -> bool:
        """Whether recorded commands are left."""
        return self._left > 0

    def command(
        self,
        type_: str,
        name: str,
        fields: dict[str, Any],
        arguments: Any = None,
        messages: Messages | None = None,
    ) -> Answer:
        """Answer a command from the recording, or as the policy decides."""
        at = where(self.app.user) or handler_at(self.app.user, self.handler_run.loop)
        call = Call(len(self.pairs) + 1, type_, name, fields, at, arguments, messages)
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
        """Record the end of the handler."""
        text = None if failure is None else f"{failure.code}: {failure.message}"
        fields = {"value": value, "failure": text}
        at = self.handler_run.ending.where
        self.ended = Call(len(self.pairs) + 1, "Output", "", fields, at)
        if self._on_call is not None:
            self._on_call(self.ended, self)

    def failed(self, message: str, stacktrace: str) -> None:
        """Record an exception of the handler."""
        self.raised = (message, stacktrace)

    def parked(self, waiting: bool) -> None:
        """Record whether the handler awaits a result that does not exist."""
        self.handler_run.parked = waiting

    def started(self) -> None:
        """Let time pass for real while a closure runs."""
        self.handler_run.loop.busy += 1
        if self._on_live is not None:
            self._on_live(True)

    def executed(self, result: ResultKey, value: bytes | Failure) -> None:
        """Record the result of an executed closure."""
        self.handler_run.loop.busy -= 1
        if self._on_live is not None:
            self._on_live(False)
        self.executed_results[result] = value

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
                self.state[call.name] = call.fields["value"]
            case "ClearState":
                self.state[call.name] = None
            case "ClearAllState":
                self.state, self.state_whole = {}, True
            case "GetState" if recorded is not None and not self._knows(call.name):
                self.state[call.name] = self._read(recorded)
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


def _eager(command: Command) -> Any:
    if command.type == "GetEagerStateKeys":
        return [bytes(k).decode(errors="replace") for k in command.message.value.keys]
    if command.message.WhichOneof("result") == "value":
        return bytes(command.message.value.content)
    return None
