"""The run of a handler with changed results, and its comparison with the original."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, cast

from restate import vm

from playhead.conventions import MODEL_STEPS
from playhead.errors import ReplayError
from playhead.journal.commands import Command, Key, ResultKey, fields_of, key_of, title_of
from playhead.journal.recording import Recording
from playhead.replay.changes import Failure, WhatIfQuestion, WhatIfResult, WhatIfRow
from playhead.replay.differences.align import GreedyMatcher
from playhead.replay.engine.app import App
from playhead.replay.engine.calls import Call
from playhead.replay.engine.emulated_vm import Answer
from playhead.replay.engine.playback import Pair, Playback, sdk_value
from playhead.replay.engine.policies import Dry
from playhead.restate.protocol import FIRST_AWAKEABLE_SIGNAL
from playhead.values import readable

__all__ = ["alternative"]

_NO_RESULT = frozenset(
    {"SetState", "ClearState", "ClearAllState", "SendSignal", "CompleteAwakeable"}
)
_AT_ONCE = frozenset({"Sleep", "OneWayCall", "CompletePromise"})


def alternative(
    app: App,
    recording: Recording,
    question: WhatIfQuestion,
    *,
    on_live: Callable[[bool], None] | None = None,
) -> WhatIfResult:
    """Run the code with some results replaced.

    Args:
        app: whose handler runs.
        recording: where the other results come from.
        question: the changes, and how to answer what follows them.
        on_live: called with True before a closure is executed for real, with False after it.

    Raises:
        AppError: the app does not serve this handler.
        ReplayError: a change names no result of this journal.
    """
    steps = tuple(recording.journal().steps())
    original = Playback(app, recording, GreedyMatcher(steps), Dry()).run()
    arguments = {
        pair.recorded.command_index: pair.call.arguments
        for pair in original.pairs
        if pair.recorded is not None
    }
    changed = {
        _key(recording, str(name)): _value(recording, str(name), new)
        for name, new in question.changes.items()
    }
    first = min(
        (c.command_index for c in steps if ("completion", c.completion_id) in changed),
        default=0,
    )
    live = set(question.live)
    matcher = _SameArguments(steps, arguments, after=first, recorded=question.recorded, live=live)
    policy = _Given(question.answers, live)
    playback = Playback(app, recording, matcher, policy, changed=changed)
    playback.on_live = on_live
    playback.run()
    return _outcome(original, playback, policy, changed)


class _SameArguments:
    """Up to the change the next recorded command of the key; later only with equal arguments."""

    def __init__(
        self,
        steps: Sequence[Command],
        arguments: Mapping[int, Any],
        *,
        after: int,
        recorded: bool,
        live: set[str],
    ) -> None:
        self._free: dict[Key, list[Command]] = {}
        for step in steps:
            self._free.setdefault(key_of(step), []).append(step)
        self._arguments = arguments
        self._after = after
        self._recorded = recorded
        self._live = live

    def match(self, call: Call) -> Command | None:
        free = self._free.get(call.key, [])
        for command in free:
            if command.command_index > self._after:
                if not self._recorded or (call.type == "Run" and call.about in self._live):
                    return None
                if not self._equal(call, command):
                    continue
            free.remove(command)
            return command
        return None

    def _equal(self, call: Call, command: Command) -> bool:
        if call.type == "Run":
            return self._arguments.get(command.command_index, call.arguments) == call.arguments
        if call.type not in ("Call", "OneWayCall"):
            return True
        old = fields_of(command)
        return all(old[name] == call.fields[name] for name in ("key", "parameter"))


class _Given(Dry):
    """Answers that the caller gave, closures that may run, sleeps at once; else nothing."""

    def __init__(self, answers: Mapping[str, Any], live: set[str]) -> None:
        self.sources: dict[int, str] = {}
        self.waiting: list[Call] = []
        self._answers, self._live = answers, live

    def shown(self, call: Call) -> Any:
        """What the caller gave for a call, for people."""
        given = self._answers[call.about]
        return _failure(given) if isinstance(given, Failure) else given

    def answer(self, call: Call, playback: Playback) -> Answer:
        result, callee = ("completion", -2 * call.index), ("completion", -2 * call.index - 1)
        if call.type in ("Run", "Call", "GetPromise") and call.about in self._answers:
            self.sources[call.index] = "answered"
            given = self._answers[call.about]
            playback.results.show(callee, f"(no invocation: {call.title} is answered)")
            playback.results.add(result, _encoded(given, call.about, None))
            return Answer(result, callee)
        if call.type == "Run" and call.about in self._live:
            self.sources[call.index] = "live"
            return Answer(result, execute=True)
        if call.type in _AT_ONCE or call.type in _NO_RESULT:
            self.sources[call.index] = "at once"
            playback.results.show(callee, f"(no invocation: {call.title} is not sent)")
            playback.results.add(result, None)
            return Answer(result, callee)
        answer = super().answer(call, playback)
        if answer.result is None:
            self.waiting.append(call)
        self.sources[call.index] = "none" if answer.result is None else "at once"
        return answer


def _key(recording: Recording, name: str) -> ResultKey:
    kind, _, rest = name.partition(":")
    journal = recording.journal()
    if kind == "awakeable" and rest.isdigit():
        key: ResultKey = ("signal", FIRST_AWAKEABLE_SIGNAL + int(rest) - 1)
    elif kind == "signal":
        key = ("signal", rest)
    else:
        commands = {str(c.command_index): c for c in journal.commands}
        command = commands.get(name)
        if command is None:
            raise ReplayError(f"The journal has no command {name}: it has 0 to {len(commands) - 1}")
        if command.completion_id is None:
            raise ReplayError(f"Command {name} ({title_of(command)}) has no result to change")
        key = ("completion", command.completion_id)
    if key not in journal.by_key:
        raise ReplayError(f"The journal holds no result of {name} that could be changed")
    return key


def _value(recording: Recording, name: str, new: Any) -> Any:
    journal = recording.journal()
    command = next((c for c in journal.commands if str(c.command_index) == name), None)
    old = None if command is None else journal.result_of(command)
    about = command.name if command is not None and command.type == "Run" else ""
    return _encoded(new, about, None if old is None else old.value)


def _encoded(new: Any, step: str, old: Any) -> Any:
    if isinstance(new, Failure):
        return vm.Failure(new.code, new.message)
    if step in MODEL_STEPS and isinstance(new, str) and isinstance(old, bytes):
        new = _said(readable(old), new)
    return json.dumps(new).encode()


def _said(recorded: Any, text: str) -> Any:
    """A model's recorded answer with other words and no tool calls."""
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


def _outcome(
    original: Playback, playback: Playback, policy: _Given, changed: Mapping[ResultKey, Any]
) -> WhatIfResult:
    old = [(title_of(c), _recorded_result(original, c)) for c in original.journal.steps()]
    new = [_new_side(pair, playback, policy, changed) for pair in playback.pairs]
    output = original.journal.output
    ended = playback.ended
    recorded_end = fields_of(output) if output is not None else {}
    stopped = None
    if ended is None and playback.raised is None:
        titles = ", ".join(dict.fromkeys(call.title for call in policy.waiting))
        stopped = (
            f"the recording does not know the result of {titles} with these arguments: "
            "give one, or let it run live"
            if titles
            else "it waits for an awakeable, promise or signal that the recording does not resolve"
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
    pair: Pair, playback: Playback, policy: _Given, changed: Mapping[ResultKey, Any]
) -> tuple[Call, Any, str]:
    call, recorded = pair.call, pair.recorded
    if call.type == "SetState":
        return call, readable(call.fields["value"]), "recorded" if recorded else "at once"
    if recorded is not None:
        key: ResultKey = ("completion", recorded.completion_id or 0)
        if key in changed:
            return call, _shown(changed[key]), "changed"
        return call, _recorded_result(playback, recorded), "recorded"
    ran = playback.ran.get(("completion", -2 * call.index))
    source = policy.sources.get(call.index, "none")
    if source == "answered":
        return call, policy.shown(call), source
    return call, _shown(ran), source


def _side_by_side(
    old: Sequence[tuple[str, Any]], new: Sequence[tuple[Call, Any, str]]
) -> list[WhatIfRow]:
    titles = [title for title, _ in old]
    calls = [call.title for call, _, _ in new]
    rows: list[WhatIfRow] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, titles, calls, autojunk=False).get_opcodes():
        if tag == "equal":
            for (title, result), (call, value, source) in zip(old[i1:i2], new[j1:j2], strict=True):
                rows.append(WhatIfRow(title, result, call.title, value, source, call.where))
            continue
        rows += [WhatIfRow(title, result, None, None, "") for title, result in old[i1:i2]]
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
    if isinstance(value, vm.Failure):
        return _failure(value)
    return readable(value) if isinstance(value, bytes) else value


def _failure(failure: Failure | vm.Failure) -> dict[str, Any]:
    return {"failure": failure.message, "code": failure.code}
