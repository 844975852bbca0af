"""An invocation with all that it called, in full: every step on one time axis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playhead.errors import PlayheadError
from playhead.model import Cost, InvocationDetail, TimelineRow, Tokens
from playhead.reader.invocation.nested import CalledInvocation, called_id, with_called

__all__ = ["MOST_DETAILS", "Descendant", "InvocationTree", "read_tree"]

MOST_DETAILS = 200
"""Called invocations that are read in full at most."""
AT_ONCE = 8
"""Invocations that are read at the same time."""


@dataclass(frozen=True, slots=True)
class Descendant:
    """An invocation that was called, directly or by a called one."""

    id: str
    called_by: str
    """Id of the invocation that called it first, or attached to it."""
    step: int
    """Journal index of the step that did."""
    depth: int
    """1 for a direct call."""
    detail: InvocationDetail | None
    """None when it could not be read; see `error`."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class InvocationTree:
    """An invocation with all that it called. Each invocation occurs once."""

    root: InvocationDetail
    called: tuple[Descendant, ...]
    timeline: tuple[TimelineRow, ...]
    """The rows of all invocations, those of a called one below the step that called it first."""
    llm_calls: int | None
    """LLM calls of all invocations, each counted once; None if unknown for all."""
    tokens: Tokens | None
    """Their tokens."""
    cost: Cost | None
    """Their cost."""
    more: bool = False
    """Whether called invocations were left out: at most `MOST_DETAILS` are read."""
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A row that called an invocation which was not read yet."""

    id: str
    called_by: str
    step: int
    depth: int
    key: str


async def read_tree(
    root: InvocationDetail, read: Callable[[str], Awaitable[InvocationDetail | None]]
) -> InvocationTree:
    """Return an invocation with all that it called, read level by level.

    Args:
        root: The invocation.
        read: Returns an invocation in full; None when no source has it.
    """
    known, expanded = {root.summary.id}, set[str]()
    found: list[Descendant] = []
    more = False
    level = _places(root, "", 1, known)
    while level:
        room = MOST_DETAILS - len(found)
        more = more or len(level) > room
        level = level[:room]
        expanded |= {place.key for place in level}
        reads: list[CalledInvocation] = []
        for start in range(0, len(level), AT_ONCE):
            some = level[start : start + AT_ONCE]
            reads += await asyncio.gather(*(_read(read, place.id) for place in some))
        after: list[_Place] = []
        for place, one in zip(level, reads, strict=True):
            found.append(
                Descendant(
                    place.id, place.called_by, place.step, place.depth, one.detail, one.error
                )
            )
            if one.detail is not None:
                after += _places(one.detail, f"{place.key}>", place.depth + 1, known)
        level = after
    called = {one.id: CalledInvocation(one.detail, one.error) for one in found}
    details = [root, *(one.detail for one in found if one.detail)]
    counts = [one.summary.llm_calls for one in details if one.summary.llm_calls is not None]
    tokens = [one.summary.tokens for one in details if one.summary.tokens]
    costs = [one.summary.cost for one in details if one.summary.cost]
    return InvocationTree(
        root,
        tuple(found),
        with_called(root.timeline, root.summary.id, called, expanded),
        llm_calls=sum(counts) if counts else None,
        tokens=sum(tokens, Tokens()) if tokens else None,
        cost=sum(costs, Cost()) if costs else None,
        more=more,
        missing=tuple(dict.fromkeys(sentence for one in details for sentence in one.missing)),
    )


def _places(detail: InvocationDetail, prefix: str, depth: int, known: set[str]) -> list[_Place]:
    """Return the rows that call invocations for the first time, and add those to `known`."""
    found: list[_Place] = []
    for row in detail.timeline:
        id_ = called_id(row)
        if id_ is not None and row.step is not None and id_ not in known:
            known.add(id_)
            found.append(_Place(id_, detail.summary.id, row.step.index, depth, prefix + row.key))
    return found


async def _read(
    read: Callable[[str], Awaitable[InvocationDetail | None]], id_: str
) -> CalledInvocation:
    try:
        detail = await read(id_)
    except PlayheadError as error:
        return CalledInvocation(error=error.title)
    return CalledInvocation(
        detail, None if detail else f"neither the server nor the store has {id_}"
    )
