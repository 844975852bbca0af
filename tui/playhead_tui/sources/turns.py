"""The turns of a conversation, with contents that the outline of a large trace leaves out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from playhead.model import InvocationDetail
from playhead.reader.invocation.conversation import (
    EarlierPrompts,
    ModelCall,
    Turn,
    model_calls,
    turns_of,
)

from playhead_tui.interfaces import InvocationReader

__all__ = ["Conversation", "read_turns"]

AT_ONCE = 50
"""Calls whose contents are read and compared at a time, which bounds memory."""


@dataclass(frozen=True)
class Conversation:
    """The last turns of an invocation."""

    turns: tuple[Turn, ...]
    before: int = 0
    """Number of calls before them."""


async def read_turns(reader: InvocationReader, detail: InvocationDetail, last: int) -> Conversation:
    """Read the last turns of an invocation.

    Args:
        reader: The reader.
        detail: The invocation.
        last: Number of turns.
    """
    calls = await asyncio.to_thread(model_calls, detail)
    shown = calls[-last:]
    before = EarlierPrompts()
    turns: list[Turn] = []
    for start in range(0, len(shown), AT_ONCE):
        turns += await _turns(reader, detail, shown[start : start + AT_ONCE], before)
    return Conversation(tuple(turns), len(calls) - len(shown))


async def _turns(
    reader: InvocationReader,
    detail: InvocationDetail,
    calls: list[ModelCall],
    before: EarlierPrompts,
) -> list[Turn]:
    ids = [id_ for call in calls if (id_ := call.left_out)]
    spans = await reader.spans(detail.summary.id, ids) if ids else ()
    contents = {span.span_id: span for span in spans}
    return await asyncio.to_thread(lambda: list(turns_of(calls, contents, before)))
