"""The visible rows of a timeline: folding and filtering."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import NamedTuple

from playhead.model import TimelineRow
from playhead.reader.invocation.nested import called_id

__all__ = ["FoldedRow", "fold", "hide", "opening_row", "row_fails", "row_matches", "unfolded"]


class FoldedRow(NamedTuple):
    """One visible row."""

    row: TimelineRow
    has_children: bool
    """Whether rows are below it, or would be once the invocation that it called is shown."""
    folded: bool
    match: bool
    """Whether the row itself matches; False when it is shown because of a descendant."""


def row_fails(row: TimelineRow) -> bool:
    """Return whether the row failed or was retried."""
    return row.state in ("failed", "retrying", "lost") or bool(row.failed_tries)


def opening_row(rows: Sequence[TimelineRow]) -> TimelineRow | None:
    """Return the row that matters most: the first failure, the last LLM call, or the output.

    Of failures, a step says more than the spans and the attempt that failed with it.
    """
    failed = [row for row in rows if row_fails(row)]
    order = ("step", "span", "attempt")
    if failed:
        return min(failed, key=lambda row: order.index(row.kind))
    for wanted in ("llm", "output"):
        found = [row for row in rows if row.step and row.step.kind == wanted]
        if found:
            return found[-1]
    return None


def row_matches(row: TimelineRow, text: str) -> bool:
    """Return whether every word occurs in label, type, note or error."""
    parts = [row.label, row.note or ""]
    if row.step:
        parts += [row.step.type, row.step.name, row.step.kind, row.step.error or ""]
        parts += [event.message for event in row.step.events]
    if row.span:
        parts += [row.span.name, row.span.service_name, row.span.status_message]
    content = " ".join(parts).casefold()
    return all(word in content for word in text.casefold().split())


def fold(
    rows: Sequence[TimelineRow],
    folded: Set[str],
    keep: Callable[[TimelineRow], bool] | None = None,
) -> list[FoldedRow]:
    """Return the visible rows: with `keep`, the rows it accepts and their ancestors.

    Args:
        rows: the timeline in order; a row's children follow it with greater depth.
        folded: keys of rows whose descendants are hidden; ignored while filtering.
        keep: whether a row matches the filter; None without a filter.
    """
    if keep is None:
        return hide(unfolded(rows), folded)
    matching = [keep(row) for row in rows]
    shown = list(matching)
    needed = 0
    for place in range(len(rows) - 1, -1, -1):
        depth = rows[place].depth
        if depth < needed:
            shown[place] = True
        if shown[place]:
            needed = depth
    visible: list[FoldedRow] = []
    for place, row in enumerate(rows):
        if shown[place]:
            children = place + 1 < len(rows) and rows[place + 1].depth > row.depth
            unread = not children and called_id(row) is not None
            visible.append(FoldedRow(row, children or unread, unread, matching[place]))
    return visible


def unfolded(rows: Sequence[TimelineRow]) -> list[FoldedRow]:
    """Return all rows; only those of calls are folded whose invocation is not shown."""
    visible: list[FoldedRow] = []
    below = [*(row.depth for row in rows[1:]), -1]
    for row, next_depth in zip(rows, below, strict=False):
        children = next_depth > row.depth
        unread = not children and row.step is not None and called_id(row) is not None
        visible.append(FoldedRow(row, children or unread, unread, True))
    return visible


def hide(rows: list[FoldedRow], folded: Set[str]) -> list[FoldedRow]:
    """Return the rows without those below folded ones; the others are not made again."""
    if not folded:
        return rows
    visible: list[FoldedRow] = []
    start = 0
    for place, row in enumerate(rows):
        if place < start or row.folded or not row.has_children or row.row.key not in folded:
            continue
        visible += rows[start:place]
        visible.append(row._replace(folded=True))
        start = place + 1
        while start < len(rows) and rows[start].row.depth > row.row.depth:
            start += 1
    visible += rows[start:]
    return visible
