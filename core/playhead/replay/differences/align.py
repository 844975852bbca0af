"""The pairing of calls with recorded steps that has the fewest differences."""

from __future__ import annotations

from collections.abc import Sequence

from playhead.journal.commands import Command, Key, key_of
from playhead.replay.engine.calls import Call, Plan

__all__ = ["best_plan"]

_LIMIT = 1_000_000
"""Maximum size of the table, calls times recorded steps."""


def best_plan(calls: Sequence[Call], steps: Sequence[Command], *, ended: bool) -> Plan | None:
    """Return the pairing of calls with recorded steps that has the fewest differences.

    The same type with another name counts as one difference (renamed), as does a step on only one
    side. Steps after the last call do not count if the handler did not end.

    Args:
        calls: Calls of the code, in order.
        steps: The recorded commands between Input and Output.
        ended: Whether the handler ended.

    Returns:
        The plan; None when the two are too long to compare.
    """
    keys = [call.key for call in calls]
    recorded = [key_of(step) for step in steps]
    start = 0
    while start < min(len(keys), len(recorded)) and keys[start] == recorded[start]:
        start += 1
    head: list[int | None] = list(range(start))
    tail = _aligned(keys[start:], recorded[start:], ended=ended)
    if tail is None:
        return None
    plan = head + [None if p is None else p + start for p in tail]
    return tuple(_with_moves(plan, keys, recorded))


def _aligned(a: Sequence[Key], b: Sequence[Key], *, ended: bool) -> list[int | None] | None:
    if len(a) * len(b) > _LIMIT:
        return None
    # cost[i][j]: fewest differences of a[i:] and b[j:]
    cost = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for j in range(len(b) - 1, -1, -1):
        cost[len(a)][j] = len(b) - j if ended else 0
    for i in range(len(a) - 1, -1, -1):
        cost[i][len(b)] = len(a) - i
        for j in range(len(b) - 1, -1, -1):
            cost[i][j] = min(
                _pair(a[i], b[j]) + cost[i + 1][j + 1], 1 + cost[i + 1][j], 1 + cost[i][j + 1]
            )
    plan: list[int | None] = []
    j = 0
    for i in range(len(a)):
        while j < len(b):
            if cost[i][j] == _pair(a[i], b[j]) + cost[i + 1][j + 1]:
                plan.append(j)
                j += 1
                break
            if cost[i][j] == 1 + cost[i][j + 1]:
                j += 1
                continue
            plan.append(None)
            break
        else:
            plan.append(None)
    return plan


def _pair(call: Key, recorded: Key) -> int:
    if call == recorded:
        return 0
    return 1 if call[0] == recorded[0] else 3


def _with_moves(
    plan: list[int | None], keys: Sequence[Key], recorded: Sequence[Key]
) -> list[int | None]:
    taken = {p for p in plan if p is not None}
    left = [p for p in range(len(recorded)) if p not in taken]
    for i, position in enumerate(plan):
        if position is None:
            found = next((p for p in left if recorded[p] == keys[i]), None)
            if found is not None:
                left.remove(found)
                plan[i] = found
    return plan
