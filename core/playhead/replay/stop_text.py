"""A stop as lines of plain text."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from typing import TYPE_CHECKING

from playhead.replay.report import as_text
from playhead.text import clean

if TYPE_CHECKING:
    from playhead.replay.stack import Frame
    from playhead.replay.stop import Stop

__all__ = ["lines"]

_AROUND = 3
_CUT = 300


def lines(stop: Stop, total: int) -> Iterator[str]:
    """Source with the current line, stack, variables, state and conversation.

    Args:
        stop: where the playhead stands.
        total: how many commands the run has.
    """
    journal = "not in the journal" if stop.entry is None else f"journal entry {stop.entry}"
    yield clean(f"#{stop.index} of {total}  {stop.title}  ({journal})")
    if stop.divergences:
        yield clean(f"  differs: {', '.join(stop.divergences)}")
    if stop.failure is not None:
        yield clean(f"  failed: {stop.failure}")
    elif stop.result_entry is not None:
        yield f"  result: {_cut(as_text(stop.result))}"
    for stack in stop.stacks:
        for depth, frame in enumerate(stack.frames):
            yield ""
            task = f"  [task {clean(stack.task)}]" if stack.task and depth == 0 else ""
            yield f"{clean(frame.where)} in {clean(frame.function)}{task}"
            if depth == 0:
                yield from _source(frame)
            for name, value in frame.variables.items():
                yield f"    {clean(name)} = {clean(value)}"
    if stop.state:
        yield ""
        yield "state"
        for key, value in sorted(stop.state.items()):
            yield f"    {clean(key)} = {_cut(as_text(value))}"
    if stop.conversation:
        yield ""
        yield "conversation"
        for message in stop.conversation:
            yield f"    {clean(message['role'])}: {_cut(message['text'])}"


def _source(frame: Frame) -> Iterator[str]:
    first = max(1, frame.line - _AROUND)
    for number, line in enumerate(
        linecache.getlines(frame.file)[first - 1 : frame.line + _AROUND], first
    ):
        mark = ">" if number == frame.line else " "
        text = clean(line.rstrip("\n").expandtabs(4))
        yield f"  {mark} {number:>4}  {text}".rstrip()


def _cut(text: str) -> str:
    text = clean(text)
    return text if len(text) <= _CUT else f"{text[:_CUT]}… ({len(text)} characters)"
