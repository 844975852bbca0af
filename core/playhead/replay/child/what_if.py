"""The run of a handler with changed results, compared with the recorded run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple, cast

from playhead.conventions import MODEL_STEPS
from playhead.errors import ReplayError
from playhead.journal.commands import Command, Journal, ResultKey, fields_of, title_of
from playhead.journal.recording import Recording
from playhead.replay.changes import Failure, WhatIfQuestion, WhatIfResult, WhatIfRow
from playhead.replay.engine import sdk
from playhead.replay.engine.app import App
from playhead.replay.engine.calls import Answer, Call, Pair, SameArgumentsMatcher
from playhead.replay.engine.playback import Dry, Playback, play
from playhead.replay.engine.results import sdk_value
from playhead.restate.protocol import FIRST_AWAKEABLE_SIGNAL
from playhead.values import readable

__all__ = ["what_if"]

_NO_RESULT = frozenset(
    {"SetState", "ClearState", "ClearAllState", "SendSignal", "CompleteAwakeable"}
)
_AT_ONCE = frozenset({"Sleep", "OneWayCall", "CompletePromise"})
_JOURNAL_INDEX = re.compile(r"#?(\d+)")
_ORDINAL = re.compile(r"command (\d+)")
_AWAKEABLE = re.compile(r"awakeable:(\d+)")


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
    journal = recording.journal()
    original = play(app, recording, Dry())
    arguments = {
        pair.recorded.command_index: pair.call.arguments
        for pair in original.pairs
        if pair.recorded is not None
    }
    changed: dict[ResultKey, Any] = {}
    first: list[int] = []
    for name, value in question.changes.items():
        target = _target(journal, str(name))
        changed[target.key] = _changed(journal, target.command, value)
        if target.command is not None:
            first.append(target.command.command_index)
    live = set(question.live)
    policy = _Answers(question.answers, live)
    matcher = SameArgumentsMatcher(
        tuple(journal.steps()),
        arguments,
        after=min(first, default=0),
        recorded=question.recorded,
        live=live,
    )
    playback = play(app, recording, policy, matcher=matcher, changed=changed, on_live=on_live)
    return _result(original, playback, policy, changed)


class _Answers(Dry):
    """A policy with the user's answers and live steps; sleeps end at once."""

    def __init__(self, answers: Mapping[str, Any], live: set[str]) -> None:
        self.sources: dict[int, str] = {}
        """`WhatIfRow.source` by ordinal of the command."""
        self.waiting: list[Call] = []
        """Calls without a result."""
        self._answers, self._live = answers, live

    def answer_to(self, call: Call) -> Any:
        """Return the user's answer to a call, in the form for display."""
        answer = self._answers[call.name]
        return _failure(answer) if isinstance(answer, Failure) else answer

    def answer(self, call: Call, playback: Playback) -> Answer:
        result, callee = call.new_result, call.new_invocation_id
        if call.type in ("Run", "Call", "GetPromise") and call.name in self._answers:
            self.sources[call.command_index] = "answered"
            playback.results.show(callee, f"(no invocation: {call.title} is answered)")
            playback.results.add(result, _encoded(self._answers[call.name]))
            return Answer(result, callee)
        if call.type == "Run" and call.name in self._live:
            self.sources[call.command_index] = "live"
            return Answer(result, execute=True)
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


class _Target(NamedTuple):
    """A result that a change replaces."""

    key: ResultKey
    command: Command | None
    """None for awakeables and signals, which have no command."""


def _target(journal: Journal, name: str) -> _Target:
    if found := _JOURNAL_INDEX.fullmatch(name):
        return _target_at(journal, int(found[1]))
    if found := _ORDINAL.fullmatch(name):
        if int(found[1]) >= len(journal.commands):
            last = len(journal.commands) - 1
            raise ReplayError(f"The journal has no {name}", f"It has commands 0 to {last}.")
        return _target_of(journal, journal.commands[int(found[1])])
    kind, _, rest = name.partition(":")
    if found := _AWAKEABLE.fullmatch(name):
        key: ResultKey = ("signal", FIRST_AWAKEABLE_SIGNAL + int(found[1]) - 1)
    elif kind == "signal":
        key = ("signal", rest)
    else:
        raise ReplayError(
            f"{name!r} does not name a result",
            "Give a journal index (4 or '#4'), 'command 2', awakeable:1 or signal:NAME.",
        )
    if key not in journal.by_key:
        raise ReplayError(f"The journal has no result of {name} to change")
    return _Target(key, None)


def _target_at(journal: Journal, index: int) -> _Target:
    command = next((c for c in journal.commands if c.index == index), None)
    if command is not None:
        return _target_of(journal, command)
    result = next((r for r in journal.results if r.index == index), None)
    if result is None:
        last = len(journal.commands) + len(journal.results) - 1
        raise ReplayError(f"The journal has no entry #{index}", f"It has entries #0 to #{last}.")
    if result.key[0] == "signal":
        return _Target(result.key, None)
    owner = next((c for c in journal.commands if c.completion_id == result.key[1]), None)
    if owner is None:
        raise ReplayError(f"#{index} is the invocation id of a callee, which cannot be changed")
    return _Target(result.key, owner)


def _target_of(journal: Journal, command: Command) -> _Target:
    title = f"#{command.index} ({title_of(command)})"
    if command.completion_id is None:
        raise ReplayError(f"{title} has no result to change")
    key: ResultKey = ("completion", command.completion_id)
    if key not in journal.by_key:
        raise ReplayError(f"The journal has no result of {title} to change")
    return _Target(key, command)


def _changed(journal: Journal, command: Command | None, new: Any) -> Any:
    """Return a new result in the form in which the SDK returns it."""
    result = None if command is None else journal.result_of(command)
    old = None if result is None else result.value
    is_model_call = command is not None and command.type == "Run" and command.name in MODEL_STEPS
    if is_model_call and isinstance(old, bytes) and isinstance(new, str):
        return _encoded(_with_text(readable(old), new))
    return _encoded(new)


def _encoded(new: Any) -> Any:
    if isinstance(new, Failure):
        return sdk.Failure(new.code, new.message)
    return json.dumps(new).encode()


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
    stopped = None
    if ended is None and playback.raised is None:
        titles = ", ".join(dict.fromkeys(call.title for call in policy.waiting))
        stopped = (
            f"the recording has no result of {titles} with these arguments: "
            "give one, or execute the step live"
            if titles
            else "it is waiting for an awakeable, promise or signal that the recording does not "
            "resolve"
        )
    return WhatIfResult(
        rows=tuple(_side_by_side(old, new)),
        ended=ended is not None,
        output=None if ended is None else readable(ended.fields["value"]),
        failure=None if ended is None else ended.fields["failure"],
        raised=playback.raised[0] if playback.raised else None,
        stopped=stopped,
        waiting_at=playback.waiting_at if stopped else None,
        original_output=readable(recorded_end.get("value")),
        original_failure=recorded_end.get("failure"),
    )


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
