"""The run of a handler with changed results, compared with the recorded run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple, cast

from playhead.conventions import MODEL_STEPS, PYDANTIC_AI_MODEL_STEPS
from playhead.errors import ReplayError
from playhead.journal.commands import Command, ResultKey, fields_of, title_of
from playhead.journal.recording import Recording
from playhead.replay.differences.prompts import argument_differences, prompt_differences
from playhead.replay.engine import sdk
from playhead.replay.engine.app import App
from playhead.replay.engine.calls import Answer, Call, Pair, WhatIfMatcher
from playhead.replay.engine.playback import Dry, Playback, play
from playhead.replay.engine.results import sdk_value
from playhead.replay.targets import asks_model, is_message, signal_key, target_of
from playhead.replay.what_ifs import (
    Failure,
    LivePlan,
    LiveStep,
    WhatIfQuestion,
    WhatIfResult,
    WhatIfRow,
)
from playhead.restate.protocol import FIRST_AWAKEABLE_SIGNAL
from playhead.values import readable

__all__ = ["live_plan", "what_if"]

_NO_RESULT = frozenset(
    {"SetState", "ClearState", "ClearAllState", "SendSignal", "CompleteAwakeable"}
)
_AT_ONCE = frozenset({"Sleep", "OneWayCall", "CompletePromise"})
_ANSWERABLE = ("Run", "Call", "GetPromise")
"""Types of the commands whose results a user can give by name."""


def what_if(
    app: App,
    recording: Recording,
    question: WhatIfQuestion,
    *,
    on_live: Callable[[bool], None] | None = None,
) -> WhatIfResult:
    """Run the code with some results replaced.

    Args:
        app: App that serves the handler.
        recording: Recording with the other results.
        question: The changes, and how to answer the commands after them.
        on_live: Called with True before a closure is executed for real, with False after it.

    Raises:
        AppError: The app does not serve this handler.
        ReplayError: A change does not name a result of the journal.
    """
    run = _Run(app, recording, question)
    policy = _Answers(question, run.encoded)
    playback = run.play(policy, on_live=on_live)
    return _result(run.original, playback, policy, run.changed)


def live_plan(app: App, recording: Recording, question: WhatIfQuestion) -> LivePlan:
    """Return the steps that `what_if` would execute, without executing one.

    Each of them gets the result of the next recorded step with its name.

    Raises:
        AppError: The app does not serve this handler.
        ReplayError: A change does not name a result of the journal.
    """
    run = _Run(app, recording, question)
    policy = _Estimate(question, run.encoded, run.recorded_result)
    playback = run.play(policy)
    ended = playback.ended is not None
    return LivePlan(tuple(policy.steps), question.max_live, ended, tuple(run.assumed))


class _Run:
    """A what-if of a recording: its changes in the SDK's form, and the run without changes."""

    def __init__(self, app: App, recording: Recording, question: WhatIfQuestion) -> None:
        self.app, self.recording, self.question = app, recording, question
        self.journal = recording.journal()
        self.original = play(app, recording, Dry())
        self.changed: dict[ResultKey, Any] = {}
        self.assumed: list[int] = []
        """Journal indexes of live steps whose requests are unknown, and count as equal."""
        for name, value in question.changes.items():
            target = target_of(self.journal, str(name))
            step = target.command.name if target.command and asks_model(target.command) else ""
            self.changed[target.key] = self.encoded(step, value, target.command)
        self._matcher = WhatIfMatcher(
            tuple(self.journal.steps()),
            {
                pair.recorded.command_index: pair.call.arguments
                for pair in self.original.pairs
                if pair.recorded is not None
            },
            recorded=question.recorded,
            live=set(question.live),
            new_taken=lambda: self._playback is not None and self._playback.results.new_taken,
            same_request=self._same_request,
        )
        self._playback: Playback | None = None

    def play(self, policy: _Answers, on_live: Callable[[bool], None] | None = None) -> Playback:
        """Run the handler with the changes."""

        def begin(playback: Playback) -> None:
            self._playback = playback
            playback.results.new |= self.changed.keys()
            for name, value in self.question.answers.items():
                key = signal_key(name)
                if key is not None and key not in self.journal.by_key:
                    policy.unused.discard(name)
                    playback.results.new.add(key)
                    playback.results.add(key, self.encoded("", value))

        return play(
            self.app,
            self.recording,
            policy,
            matcher=self._matcher,
            changed=self.changed,
            on_begin=begin,
            on_live=on_live,
        )

    def recorded_result(self, call: Call) -> tuple[Command | None, Any]:
        """Return the next recorded step with the name of a call, and its result; else None."""
        command = self._matcher.take(call)
        result = None if command is None else self.journal.result_of(command)
        return command, None if result is None else sdk_value(result.kind, result.value)

    def encoded(self, step: str, value: Any, command: Command | None = None) -> Any:
        """Return a new result in the form in which the SDK returns it.

        Args:
            step: Name of the step.
            value: The result; text becomes the answer of a model call.
            command: The recorded step whose result it replaces.

        Raises:
            ReplayError: Text is not enough, since the journal has no answer to take as a pattern.
        """
        if isinstance(value, Failure):
            return sdk.Failure(value.code, value.message)
        if step not in MODEL_STEPS or is_message(value):
            return json.dumps(value).encode()
        text = value if isinstance(value, str) else json.dumps(value)
        return json.dumps(_with_text(self._pattern(step, command), text)).encode()

    def _pattern(self, step: str, command: Command | None) -> Any:
        """Return a recorded answer of the model, for all members but its text."""
        calls = [c for c in self.journal.steps() if c.type == "Run" and c.name == step]
        for call in (*([command] if command else ()), *reversed(calls)):
            result = self.journal.result_of(call)
            if result is not None and result.kind == "value":
                return readable(result.value)
        if step in PYDANTIC_AI_MODEL_STEPS:
            return {"parts": [], "kind": "response"}
        raise ReplayError(
            f"The journal has no answer of {step} to take as a pattern for text",
            "Give the model's whole answer as JSON.",
        )

    def _same_request(self, call: Call, recorded: Command) -> bool:
        """Return whether a step has the arguments or the prompt that were recorded, if any."""
        known = self.recording.steps.get(recorded.command_index, {})
        if "arguments" in known and call.arguments is not None:
            return not any(argument_differences(call.name, known["arguments"], call.arguments))
        if "messages" in known and call.messages is not None:
            return not any(prompt_differences(known["messages"], call.messages))
        self.assumed.append(recorded.index)
        return True


class _Answers(Dry):
    """A policy with the user's answers and live steps; sleeps end at once."""

    def __init__(self, question: WhatIfQuestion, encode: Callable[[str, Any], Any]) -> None:
        self.sources: dict[int, str] = {}
        """`WhatIfRow.source` by ordinal of the command."""
        self.waiting: list[Call] = []
        """Calls without a result."""
        self.executed = 0
        """Number of steps that were executed."""
        self.unused = set(question.answers)
        """Names of the answers that nothing has taken."""
        self._question, self._encode = question, encode

    @property
    def live_names(self) -> tuple[str, ...]:
        """Names of the steps to execute."""
        return self._question.live

    @property
    def limit_reached(self) -> bool:
        """Whether no more steps may be executed."""
        return bool(self._question.live) and self.executed >= self._question.max_live

    def answer_to(self, call: Call) -> Any:
        """Return the user's answer to a call, in the form for display."""
        return _shown(self._encode(call.name, self._question.answers[call.name]))

    def live(self, call: Call, playback: Playback) -> Answer:
        """Answer a step that is to be executed."""
        return Answer(call.new_result, execute=True)

    def answer(self, call: Call, playback: Playback) -> Answer:
        result, callee = call.new_result, call.new_invocation_id
        if call.type in ("Run", "Call", "GetPromise") and call.name in self._question.answers:
            self.sources[call.command_index] = "answered"
            self.unused.discard(call.name)
            playback.results.new.add(result)
            playback.results.show(callee, f"(no invocation: {call.title} is answered)")
            value = self._question.answers[call.name]
            playback.results.add(result, self._encode(call.name, value))
            return Answer(result, callee)
        is_live = call.type == "Run" and call.name in self._question.live
        if is_live and not self.limit_reached:
            self.executed += 1
            self.sources[call.command_index] = "live"
            playback.results.new.add(result)
            return self.live(call, playback)
        if call.type in _AT_ONCE or call.type in _NO_RESULT:
            self.sources[call.command_index] = "at once"
            playback.results.show(callee, f"(no invocation: {call.title} is not sent)")
            playback.results.add(result, None)
            return Answer(result, callee)
        answer = super().answer(call, playback)
        if answer.result is None:
            self.waiting.append(call)
        self.sources[call.command_index] = "none" if answer.result is None else "at once"
        return answer


class _Estimate(_Answers):
    """A policy that gives live steps their recorded results, and notes them."""

    def __init__(
        self,
        question: WhatIfQuestion,
        encode: Callable[[str, Any], Any],
        recorded: Callable[[Call], tuple[Command | None, Any]],
    ) -> None:
        super().__init__(question, encode)
        self.steps: list[LiveStep] = []
        self._recorded = recorded

    def live(self, call: Call, playback: Playback) -> Answer:
        """Answer with the recorded result; without one, the handler waits."""
        command, value = self._recorded(call)
        index = None if command is None else command.index
        self.steps.append(LiveStep(call.name, index, call.where))
        if value is None:
            return Answer()
        playback.results.add(call.new_result, value)
        return Answer(call.new_result)


def _with_text(recorded: Any, text: str) -> Any:
    """Return a model's recorded answer with another text and without tool calls."""
    answer = cast("dict[str, Any]", recorded) if isinstance(recorded, dict) else {}
    if "parts" in answer:
        part = {"content": text, "part_kind": "text"}
        return {**answer, "parts": [part], "finish_reason": "stop"}
    if "output" in answer:
        content: dict[str, Any] = {"type": "output_text", "text": text, "annotations": []}
        message: dict[str, Any] = {
            "id": "changed", "type": "message", "role": "assistant", "status": "completed",
            "content": [content],
        }  # fmt: skip
        return {**answer, "output": [message]}
    return text


class _Original(NamedTuple):
    """A command of the journal."""

    journal_index: int
    title: str
    result: Any


def _result(
    original: Playback, playback: Playback, policy: _Answers, changed: Mapping[ResultKey, Any]
) -> WhatIfResult:
    old = [
        _Original(c.index, title_of(c), _recorded_result(original, c))
        for c in original.journal.steps()
    ]
    new = [_new_side(pair, playback, policy, changed) for pair in playback.pairs]
    output = original.journal.output
    ended = playback.ended
    recorded_end = fields_of(output) if output is not None else {}
    stopped, missing = None, ()
    if ended is None and playback.raised is None:
        stopped, missing = _stopped(policy), _missing(policy, playback)
    return WhatIfResult(
        rows=tuple(_side_by_side(old, new)),
        ended=ended is not None,
        output=None if ended is None else readable(ended.fields["value"]),
        failure=None if ended is None else ended.fields["failure"],
        raised=playback.raised[0] if playback.raised else None,
        stopped=stopped,
        missing=missing,
        unused=tuple(sorted(policy.unused)),
        waiting_at=playback.waiting_at if stopped else None,
        original_ended=output is not None,
        original_output=readable(recorded_end.get("value")),
        original_failure=recorded_end.get("failure"),
    )


def _stopped(policy: _Answers) -> str:
    if policy.limit_reached and any(c.name in policy.live_names for c in policy.waiting):
        return f"the limit of {policy.executed} live steps is reached"
    titles = ", ".join(dict.fromkeys(call.title for call in policy.waiting))
    if titles:
        return f"the recording has no result of {titles} with these arguments"
    return "it waits for an awakeable, promise or signal that the recording does not resolve"


def _missing(policy: _Answers, playback: Playback) -> tuple[str, ...]:
    names = [c.name for c in policy.waiting if c.type in _ANSWERABLE and c.name]
    for kind, name in playback.results.awaited:
        if kind == "signal" and isinstance(name, str):
            names.append(f"signal:{name}")
        elif kind == "signal" and isinstance(name, int) and name >= FIRST_AWAKEABLE_SIGNAL:
            names.append(f"awakeable:{name - FIRST_AWAKEABLE_SIGNAL + 1}")
    return tuple(dict.fromkeys(names))


def _new_side(
    pair: Pair, playback: Playback, policy: _Answers, changed: Mapping[ResultKey, Any]
) -> tuple[Call, Any, str]:
    call, recorded = pair.call, pair.recorded
    if call.type == "SetState":
        return call, readable(call.fields["value"]), "recorded" if recorded else "at once"
    if recorded is not None:
        key: ResultKey = ("completion", recorded.completion_id or 0)
        if key in changed:
            return call, _shown(changed[key]), "changed"
        return call, _recorded_result(playback, recorded), "recorded"
    source = policy.sources.get(call.command_index, "none")
    if source == "answered":
        return call, policy.answer_to(call), source
    return call, _shown(playback.executed_results.get(call.new_result)), source


def _side_by_side(
    old: Sequence[_Original], new: Sequence[tuple[Call, Any, str]]
) -> list[WhatIfRow]:
    titles = [side.title for side in old]
    calls = [call.title for call, _, _ in new]
    rows: list[WhatIfRow] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, titles, calls, autojunk=False).get_opcodes():
        if tag == "equal":
            for (index, title, result), (call, value, source) in zip(
                old[i1:i2], new[j1:j2], strict=True
            ):
                row = WhatIfRow(title, result, call.title, value, source, call.where, index)
                rows.append(row)
            continue
        rows += [
            WhatIfRow(title, result, None, None, "", journal_index=index)
            for index, title, result in old[i1:i2]
        ]
        rows += [WhatIfRow(None, None, c.title, value, s, c.where) for c, value, s in new[j1:j2]]
    return rows


def _recorded_result(playback: Playback, command: Command) -> Any:
    result = playback.journal.result_of(command)
    if result is not None:
        return _shown(sdk_value(result.kind, result.value))
    if command.type == "SetState":
        return readable(fields_of(command)["value"])
    if command.type == "GetEagerState" and command.message.WhichOneof("result") == "value":
        return readable(bytes(command.message.value.content))
    return None


def _shown(value: Any) -> Any:
    if isinstance(value, sdk.Failure):
        return _failure(value)
    return readable(value) if isinstance(value, bytes) else value


def _failure(failure: Failure | sdk.Failure) -> dict[str, Any]:
    return {"failure": failure.message, "code": failure.code}
