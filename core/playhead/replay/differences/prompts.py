"""The differences between the arguments of a step; those of a model call message by message."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, cast

from playhead.conventions import MODEL_STEPS
from playhead.decode.prompts import Messages
from playhead.replay.differences.conversation import conversation
from playhead.values import to_json_line

__all__ = ["argument_differences", "message_differences"]

_MOST = 8
_AROUND = 60
_CUT = 400


def argument_differences(
    step: str, recorded: Any, current: Any
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield the differences as (kind, recorded, current); kind is `prompt` or `arguments`.

    Args:
        step: Name of the step, which shows whether it is a model call.
        recorded: The arguments in the recording.
        current: The arguments that the code passes now.
    """
    old, new = conversation(recorded), conversation(current)
    if step not in MODEL_STEPS or not (old or new):
        yield from _leaves("arguments", recorded, current)
        return
    changed = False
    for left, right in message_differences(old, new):
        changed = True
        yield "prompt", left, right
    if not changed:
        # The same messages: settings, tools or the output's schema differ.
        yield from _leaves("prompt", recorded, current)


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


def _leaves(kind: str, recorded: Any, current: Any) -> Iterator[tuple[str, str | None, str | None]]:
    leaves = list(_changed_leaves(recorded, current))
    for path, before, after in leaves[:_MOST]:
        yield kind, f"{path} = {_cut(before)}", f"{path} = {_cut(after)}"
    if len(leaves) > _MOST:
        yield kind, None, f"and {len(leaves) - _MOST} more places"


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
