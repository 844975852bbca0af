"""The result of a query as a table, which shows some columns at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playhead.reader.console import NULL, Engine, cell_text
from playhead.text import clean
from rich.cells import cell_len
from rich.segment import Segment

from playhead_tui.drawing.cells import cell, fit
from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.drawing.palette import Palette
from playhead_tui.widgets.rows import RowsView

__all__ = ["Result", "ResultColumn", "ResultTable", "Row"]

GAP = 2
TEXT_WIDTH = 40
"""Cells that a text gets before the columns to its right."""
WIDEST = 200
"""Cells of the widest text where there is room."""


@dataclass(frozen=True)
class Row:
    """One row of a result."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class ResultColumn:
    """One column of a result."""

    name: str
    heading: str
    least: int
    """Cells that it has if it is shown; a number, a time or an id is never cut."""
    wanted: int
    """Cells of its longest value."""
    right: bool


@dataclass(frozen=True)
class Result:
    """The rows of a query, and how wide their columns are."""

    engine: Engine
    sql: str
    rows: Sequence[Row] = ()
    columns: Sequence[ResultColumn] = ()

    @staticmethod
    def of(
        engine: Engine, sql: str, names: Sequence[str], found: Sequence[Mapping[str, Any]]
    ) -> Result:
        """Measure all values, which takes a second for a million of them."""
        rows = [Row(place, values) for place, values in enumerate(found, 1)]
        return Result(engine, sql, rows, [_measured(name, found) for name in names])


def _measured(name: str, found: Sequence[Mapping[str, Any]]) -> ResultColumn:
    heading = clean(name) or " "
    least = wanted = cell_len(heading[:WIDEST])
    has_numbers = has_others = False
    for values in found:
        value = values.get(name)
        if value is None:
            width = whole = len(NULL)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            has_numbers = True
            width = whole = len(str(value))
        else:
            has_others = True
            width = _width(value)
            # Times and ids are words, which have no part that can be left out.
            whole = width if width <= TEXT_WIDTH else TEXT_WIDTH
        wanted = max(wanted, width)
        least = max(least, whole)
    return ResultColumn(
        name, heading, min(least, WIDEST), min(wanted, WIDEST), has_numbers and not has_others
    )


def _width(value: Any) -> int:
    if isinstance(value, str):
        if len(value) <= WIDEST and value.isascii() and value.isprintable():
            return len(value)
        return min(WIDEST, cell_len(clean(value[:WIDEST])))
    return min(WIDEST, cell_len(cell_text(value)))


class ResultTable(RowsView[Row]):
    """One row per line; NULL is not an empty text."""

    def __init__(self, *, glyphs: Glyphs) -> None:
        super().__init__(glyphs=glyphs)
        self.result = Result("store", "")
        self.first = 0
        """Position of the first column on screen."""

    def key_of(self, row: Row) -> str:
        """Return the number of a row."""
        return str(row.number)

    def show_result(self, result: Result) -> None:
        """Show a result from its first row and column."""
        self.result = result
        self.first = 0
        self.show_rows(())
        self.show_rows(result.rows)
        if result.rows:
            self.action_edge(-1)
        self.refresh()

    def move_columns(self, step: int) -> bool:
        """Show later or earlier columns; return whether others are shown now."""
        if step > 0 and self.shown[-1:] == list(self.result.columns[-1:]):
            return False
        first = max(0, min(self.first + step, len(self.result.columns) - 1))
        is_moved, self.first = first != self.first, first
        self.refresh()
        return is_moved

    @property
    def shown(self) -> list[ResultColumn]:
        """The columns on screen."""
        width = self.scrollable_content_region.width - 2
        return [column for column, _ in self._widths(max(1, width))]

    def _widths(self, width: int) -> list[tuple[ResultColumn, int]]:
        """Return the columns that fit; cells that are left over go to texts that are cut."""
        found: list[tuple[ResultColumn, int]] = []
        room = width
        for column in self.result.columns[self.first :]:
            if found and column.least > room:
                break
            found.append((column, min(column.least, width)))
            room -= column.least + GAP
        spare = max(0, room + GAP)
        lacking = sorted(range(len(found)), key=lambda one: found[one][0].wanted - found[one][1])
        for left, one in zip(range(len(found), 0, -1), lacking, strict=True):
            column, cells = found[one]
            more = min(max(0, column.wanted - cells), spare // left)
            found[one] = column, cells + more
            spare -= more
        return found

    def draw_head(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the names of the columns."""
        for number, (column, room) in enumerate(self._widths(width)):
            if number:
                yield Segment(" " * GAP)
            text = fit(column.heading, room, right=column.right, ellipsis=self.glyphs.ellipsis)
            yield Segment(text, palette.dim)

    def draw_row(self, row: Row, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the values; strangers' text is cleaned."""
        for number, (column, room) in enumerate(self._widths(width)):
            if number:
                yield Segment(" " * GAP)
            value = row.values.get(column.name)
            text, style = (NULL, palette.dim) if value is None else (_text(value), palette.text)
            yield cell(text, room, style, right=column.right, ellipsis=self.glyphs.ellipsis)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else cell_text(value)
