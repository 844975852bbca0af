"""A list of groups in columns, such as equal failures; narrow screens leave columns out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.segment import Segment
from rich.style import Style

from playhead_tui.drawing.cells import cell, fit
from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.drawing.palette import Palette
from playhead_tui.widgets.rows import RowsView

__all__ = ["Column", "GroupList"]

Group = TypeVar("Group")
GAP = 2


@dataclass(frozen=True)
class Column(Generic[Group]):
    """One column."""

    heading: str
    width: int
    """Cells; the least width of a flexible column."""
    text: Callable[[Group], str]
    style: Callable[[Group, Palette], Style]
    right: bool = False
    flexible: bool = False
    """Whether it takes the remaining width."""
    importance: int = 0
    """The least important columns are left out first."""


class GroupList(RowsView[Group]):
    """One group per line."""

    def __init__(
        self,
        columns: Sequence[Column[Group]],
        key: Callable[[Group], str],
        *,
        glyphs: Glyphs,
    ) -> None:
        super().__init__(glyphs=glyphs)
        self.columns = columns
        self._key = key

    def key_of(self, row: Group) -> str:
        """Return the identity of a group."""
        return self._key(row)

    def widths(self, width: int) -> list[tuple[Column[Group], int]]:
        """Return the columns that fit, with their widths."""
        chosen = list(self.columns)

        def needed() -> int:
            return sum(column.width + GAP for column in chosen) - GAP

        while len(chosen) > 1 and needed() > width:
            chosen.remove(min(reversed(chosen), key=lambda column: column.importance))
        flexible = [column for column in chosen if column.flexible]
        spare = max(0, width - needed())
        share = spare // len(flexible) if flexible else 0
        return [
            (column, min(width, column.width + (share if column.flexible else 0)))
            for column in chosen
        ]

    def draw_head(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the column headings."""
        for number, (column, room) in enumerate(self.widths(width)):
            if number:
                yield Segment(" " * GAP)
            yield Segment(fit(column.heading, room, right=column.right), palette.dim)

    def draw_row(self, row: Group, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the cells; strangers' text is cleaned."""
        for number, (column, room) in enumerate(self.widths(width)):
            if number:
                yield Segment(" " * GAP)
            text = column.text(row)
            style = column.style(row, palette) if text else palette.faint
            yield cell(
                text or self.glyphs.none,
                room,
                style,
                right=column.right,
                ellipsis=self.glyphs.ellipsis,
            )
