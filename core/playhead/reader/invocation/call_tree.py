"""The tree of an invocation and everything that it called, across services."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from playhead.model import Cost, Invocation, InvocationPage, Tokens

__all__ = ["MOST_CALLS", "CallNode", "CallTree", "read_calls"]

MOST_CALLS = 1000
"""Invocations that a tree has at most."""
AT_ONCE = 200
"""Callers that one query names."""


@dataclass(frozen=True, slots=True)
class CallNode:
    """One invocation of a tree."""

    row: Invocation
    depth: int
    llm_calls: int | None
    """LLM calls of the invocation and of everything below it; None if none were recorded."""
    tokens: Tokens | None
    """Their tokens."""
    cost: Cost | None
    """Their cost."""


@dataclass(frozen=True, slots=True)
class CallTree:
    """An invocation with everything that it called; callers come before the called."""

    nodes: tuple[CallNode, ...]
    more: bool = False
    """Whether calls were left out: a tree has at most `MOST_CALLS`."""
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""


async def read_calls(
    root: Invocation,
    called_by: Callable[[Sequence[str]], Awaitable[InvocationPage]],
    missing: Sequence[str] = (),
) -> CallTree:
    """Return the tree below an invocation; each invocation occurs once.

    Args:
        root: The invocation.
        called_by: Returns the invocations that some others called.
        missing: Sentences about data that could not be read.
    """
    children: dict[str, list[Invocation]] = defaultdict(list)
    known = {root.id}
    level = [root.id]
    more = False
    sentences = dict.fromkeys(missing)
    while level and not more:
        after: list[str] = []
        for start in range(0, len(level), AT_ONCE):
            page = await called_by(level[start : start + AT_ONCE])
            more = more or page.more
            sentences |= dict.fromkeys(page.missing)
            for row in reversed(page.rows):  # oldest first
                if row.invoked_by and row.id not in known and len(known) < MOST_CALLS:
                    known.add(row.id)
                    children[row.invoked_by].append(row)
                    after.append(row.id)
        more = more or len(known) >= MOST_CALLS
        level = after
    nodes: list[CallNode] = []
    _add(root, 0, children, nodes)
    return CallTree(tuple(nodes), more, tuple(sentences))


def _add(
    root: Invocation, depth: int, children: dict[str, list[Invocation]], nodes: list[CallNode]
) -> None:
    """Add the nodes below an invocation, without recursion: chains may be long."""
    order: list[tuple[Invocation, int]] = []
    waiting = [(root, depth)]
    while waiting:
        row, level = waiting.pop()
        order.append((row, level))
        waiting += [(child, level + 1) for child in reversed(children[row.id])]
    sums: dict[str, CallNode] = {}
    for row, level in reversed(order):
        below = [sums[child.id] for child in children[row.id]]
        tokens = [one for one in (row.tokens, *(node.tokens for node in below)) if one]
        costs = [one for one in (row.cost, *(node.cost for node in below)) if one]
        calls = [
            number
            for number in (row.llm_calls, *(node.llm_calls for node in below))
            if number is not None
        ]
        sums[row.id] = CallNode(
            row,
            level,
            sum(calls) if calls else None,
            sum(tokens, Tokens()) if tokens else None,
            sum(costs, Cost()) if costs else None,
        )
    nodes += [sums[row.id] for row, _ in order]
