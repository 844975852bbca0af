"""A list of groups in columns, such as equal failures; narrow screens leave columns out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from playhead_tui.drawing.cells import cell, clip, fit
from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.drawing.palette import Palette
from playhead_tui.widgets.rows import RowsView

__all__ = ["Column", "GroupList"]

Group = TypeVar("Group")
GAP = 2
WIDEST = 100
"""Cells of the widest text that a column has room for."""


@dataclass(frozen=True)
class Column(Generic[Group]):
    """One column."""

    heading: str
    width: int
    """Cells; a flexible column with longer texts is wider where there is room."""
    text: Callable[[Group], str]
    style: Callable[[Group, Palette], Style]
    right: bool = False
    flexible: bool = False
    """Whether its width depends on its texts."""
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
        self._longest: dict[str, int] = {}
        """Cells of the longest text of each flexible column, by its heading."""

    def key_of(self, row: Group) -> str:
        """Return the identity of a group."""
        return self._key(row)

    def show_rows(self, rows: Sequence[Group], *, stay_at_top: bool = False) -> None:
        """Show rows; flexible columns become as wide as their texts, where there is room."""
        self._longest = {
            column.heading: max(
                (cell_len(clip(column.text(row), WIDEST)) for row in rows), default=0
            )
            for column in self.columns
            if column.flexible
        }
        super().show_rows(rows, stay_at_top=stay_at_top)

    def _least(self, column: Column[Group]) -> int:
        """Return the width that a column needs; a flexible one with short texts needs less."""
        longest = self._longest.get(column.heading, column.width)
        return min(column.width, max(longest, cell_len(column.heading)))

    def widths(self, width: int) -> list[tuple[Column[Group], int]]:
        """Return the columns that fit, with their widths."""
        chosen = list(self.columns)

        def needed() -> int:
            return sum(self._least(column) + GAP for column in chosen) - GAP

        while len(chosen) > 1 and needed() > width:
            chosen.remove(min(reversed(chosen), key=lambda column: column.importance))
        spare = max(0, width - needed())
        more: dict[str, int] = {}
        lacking = {c.heading: self._longest.get(c.heading, 0) - self._least(c) for c in chosen}
        flexible = sorted((c.heading for c in chosen if c.flexible), key=lambda one: lacking[one])
        for left, heading in zip(range(len(flexible), 0, -1), flexible, strict=True):
            more[heading] = max(0, min(lacking[heading], spare // left))
            spare -= more[heading]
        return [(c, min(width, self._least(c) + more.get(c.heading, 0))) for c in chosen]

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
