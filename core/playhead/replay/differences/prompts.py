"""The differences between the arguments of a step; those of a model call message by message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, cast

from playhead.conventions import MODEL_STEPS
from playhead.decode.prompts import Messages
from playhead.replay.differences.conversation import conversation
from playhead.replay.differences.requests import request_of
from playhead.values import to_json_line

__all__ = ["ArgumentDifference", "argument_differences", "prompt_differences"]

_Tools = Sequence[Mapping[str, Any]]
_ROLES = {
    "system": "system prompt",
    "user": "user message",
    "assistant": "assistant message",
    "tool": "tool result",
}
_MESSAGE = re.compile(r"message \d+ \(([^)]*)\)")
_MOST = 8
_AROUND = 60
_CUT = 400


@dataclass(frozen=True, slots=True)
class ArgumentDifference:
    """One difference between the arguments of a step."""

    kind: str
    """`Divergence.kind`."""
    cause: str
    """`Divergence.cause`."""
    recorded: str | None
    current: str | None


def argument_differences(
    step: str, recorded: Mapping[str, Any], current: Mapping[str, Any]
) -> Iterator[ArgumentDifference]:
    """Yield the differences between the recorded and the current arguments of a step.

    Args:
        step: Name of the step, which shows whether it is a model call.
        recorded: The arguments in the recording.
        current: The arguments that the code passes now.
    """
    if "model" not in recorded:  # saved by a version that did not note it
        current = {name: value for name, value in current.items() if name != "model"}
    old, new = conversation(recorded), conversation(current)
    if step not in MODEL_STEPS or not (old or new):
        yield from _leaves("arguments", "", recorded, current)
        return
    found = [*prompt_differences(old, new), *_request_differences(recorded, current)]
    # The texts are the same; members of messages that are not shown differ.
    yield from found or _leaves("request", "request changed", recorded, current)


def prompt_differences(old: Messages, new: Messages) -> Iterator[ArgumentDifference]:
    """Yield the differences between two prompts, message by message."""
    for left, right in message_differences(old, new):
        found = _MESSAGE.match(left or right or "")
        role = _ROLES.get(found[1], f"{found[1]} message") if found else "message"
        verb = "added" if left is None else "removed" if right is None else "changed"
        yield ArgumentDifference("prompt", f"{role} {verb}", left, right)


def _request_differences(recorded: Any, current: Any) -> Iterator[ArgumentDifference]:
    old, new = request_of(recorded), request_of(current)
    yield from _tool_differences(old.tools, new.tools)
    yield from _leaves("settings", "model settings changed", old.settings, new.settings)
    yield from _leaves("output schema", "output schema changed", old.schema, new.schema)
    if old.model is not None and new.model is not None:
        yield from _leaves("model", "model changed", old.model, new.model, "model")
    yield from _leaves("request", "request changed", old.other, new.other)


def _tool_differences(old: _Tools, new: _Tools) -> Iterator[ArgumentDifference]:
    before, after = {_name(t): t for t in old}, {_name(t): t for t in new}
    if len(before) < len(old) or len(after) < len(new):
        yield from _leaves("tools", "tools changed", list(old), list(new), "tools")
        return
    for name in before:
        if name not in after:
            yield ArgumentDifference("tools", f"tool {name} removed", name, None)
        elif before[name] != after[name]:
            cause = f"tool {name} changed"
            yield from _leaves("tools", cause, before[name], after[name], name)
    for name in after:
        if name not in before:
            yield ArgumentDifference("tools", f"tool {name} added", None, name)
    if [n for n in before if n in after] != [n for n in after if n in before]:
        left, right = ", ".join(before), ", ".join(after)
        yield ArgumentDifference("tools", "tools reordered", _cut(left), _cut(right))


def _name(tool: Mapping[str, Any]) -> str:
    return str(tool.get("name") or tool.get("tool_name") or tool.get("kind") or tool)


def message_differences(old: Messages, new: Messages) -> Iterator[tuple[str | None, str | None]]:
    """Yield the messages that differ as (recorded, current); None if one side has none."""
    before = [(m["role"], m["text"]) for m in old]
    after = [(m["role"], m["text"]) for m in new]
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for offset in range(max(i2 - i1, j2 - j1)):
            left = before[i1 + offset] if i1 + offset < i2 else None
            right = after[j1 + offset] if j1 + offset < j2 else None
            start = _first_difference(left, right)
            yield (
                None if left is None else _message(i1 + offset, left, start),
                None if right is None else _message(j1 + offset, right, start),
            )


def _leaves(
    kind: str, cause: str, recorded: Any, current: Any, path: str = ""
) -> Iterator[ArgumentDifference]:
    leaves = list(_changed_leaves(recorded, current, path))
    for where, before, after in leaves[:_MOST]:
        left, right = f"{where} = {_cut(before)}", f"{where} = {_cut(after)}"
        yield ArgumentDifference(kind, cause, left, right)
    if len(leaves) > _MOST:
        yield ArgumentDifference(kind, cause, None, f"and {len(leaves) - _MOST} more places")


def _changed_leaves(recorded: Any, current: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the differences of two JSON values as (path, recorded, current); None if absent."""
    if isinstance(recorded, dict) and isinstance(current, dict):
        old, new = cast("dict[str, Any]", recorded), cast("dict[str, Any]", current)
        for name in dict.fromkeys((*old, *new)):
            inner = f"{path}.{name}" if path else str(name)
            yield from _changed_leaves(old.get(name), new.get(name), inner)
    elif isinstance(recorded, list) and isinstance(current, list):
        olds, news = cast("list[Any]", recorded), cast("list[Any]", current)
        for i in range(max(len(olds), len(news))):
            old_item = olds[i] if i < len(olds) else None
            new_item = news[i] if i < len(news) else None
            yield from _changed_leaves(old_item, new_item, f"{path}[{i}]")
    elif recorded != current:
        yield (path, recorded, current)


def _first_difference(left: tuple[str, str] | None, right: tuple[str, str] | None) -> int:
    if left is None or right is None:
        return 0
    pairs = enumerate(zip(left[1], right[1], strict=False))
    same = min(len(left[1]), len(right[1]))
    return next((i for i, (a, b) in pairs if a != b), same)


def _message(number: int, message: tuple[str, str], start: int) -> str:
    role, text = message
    begin = max(0, start - _AROUND)
    shown = f"{'…' if begin else ''}{text[begin : begin + _CUT]}"
    more = "…" if begin + _CUT < len(text) else ""
    return f"message {number + 1} ({role}): {shown}{more}"


def _cut(value: Any) -> str:
    text = value if isinstance(value, str) else to_json_line(value)
    return text if len(text) <= _CUT else f"{text[:_CUT]}… ({len(text)} characters)"
