"""The steps of called invocations, in place: below the step that called them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from playhead.model import InvocationDetail, StepState, TimelineRow

__all__ = ["CalledInvocation", "called_id", "with_called"]

CALLS = ("call", "send", "attach")
"""Kinds of steps that refer to another invocation."""


@dataclass(frozen=True, slots=True)
class CalledInvocation:
    """What was read of a called invocation."""

    detail: InvocationDetail | None = None
    error: str | None = None
    """Why it could not be read; a detail is then an older one, if there is one."""


def called_id(row: TimelineRow) -> str | None:
    """Return the id of the invocation that a row called or attached to."""
    return row.step.child_id if row.step is not None and row.step.kind in CALLS else None


def with_called(
    timeline: Sequence[TimelineRow],
    invocation_id: str,
    called: Mapping[str, CalledInvocation],
    expanded: Container[str],
) -> tuple[TimelineRow, ...]:
    """Return the timeline with the rows of called invocations below the rows that called them.

    Called invocations nest to any depth. An invocation is not shown below itself; a notice takes
    its place, and the place of one that was not read or has no rows.

    Args:
        timeline: The rows of the invocation itself.
        invocation_id: Its id.
        called: What was read of the called invocations, by id.
        expanded: Keys of the rows below which to show the called invocation.
    """
    found: list[TimelineRow] = []
    stack: list[tuple[Iterator[TimelineRow], str, int, tuple[str, ...]]] = [
        (iter(timeline), "", 0, (invocation_id,))
    ]
    while stack:
        rows, prefix, depth, path = stack[-1]
        row = next(rows, None)
        if row is None:
            stack.pop()
            continue
        if prefix:
            owner = path[-1]
            row = replace(row, key=prefix + row.key, depth=depth + row.depth, invocation_id=owner)
        found.append(row)
        id_ = called_id(row)
        if id_ is None or row.key not in expanded:
            continue
        inside = replace(row, key=f"{row.key}>", depth=row.depth + 1, invocation_id=id_)
        if id_ in path:
            found.append(_notice(inside, f"{id_} is shown above: it waits for itself", "failed"))
            continue
        read = called.get(id_)
        found += _notices(inside, id_, read)
        if read is not None and read.detail is not None:
            stack.append((iter(read.detail.timeline), inside.key, inside.depth, (*path, id_)))
    return tuple(found)


def _notices(inside: TimelineRow, id_: str, read: CalledInvocation | None) -> Iterator[TimelineRow]:
    if read is None:
        yield _notice(inside, f"Reading {id_} ...", "pending")
    elif read.error is not None:
        what = "Not up to date" if read.detail else "Cannot be read"
        yield _notice(inside, f"{what}: {read.error}", "failed")
    elif read.detail is not None and not read.detail.timeline:
        yield _notice(
            inside, f"{id_} is {read.detail.summary.status}; its journal is empty", "done"
        )


def _notice(inside: TimelineRow, text: str, state: StepState) -> TimelineRow:
    return TimelineRow(
        key=f"{inside.key}notice",
        depth=inside.depth,
        kind="notice",
        label=text,
        started_at=None,
        ended_at=None,
        state=state,
        attempt=None,
        invocation_id=inside.invocation_id,
    )
