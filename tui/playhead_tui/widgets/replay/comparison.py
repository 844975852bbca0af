"""The original run and the new one, side by side, step by step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from playhead.replay import WhatIfResult, WhatIfRow
from playhead.replay.text import result_text
from rich.segment import Segment
from rich.style import Style

from playhead_tui.drawing.cells import cell, fit
from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.drawing.palette import Palette
from playhead_tui.widgets.rows import RowsView

__all__ = ["Comparison", "NumberedRow"]

SOURCE_WIDTH = 9

NumberedRow = tuple[int, WhatIfRow]
"""Number of the row, and the row."""


class Comparison(RowsView[NumberedRow]):
    """One step per line: the original, the new one, and the source of the new result."""

    def __init__(self, *, glyphs: Glyphs = UNICODE, widget_id: str | None = None) -> None:
        super().__init__(widget_id=widget_id, glyphs=glyphs)
        self.first_difference: int | None = None

    def show_result(self, result: WhatIfResult) -> None:
        """Show the rows, with the cursor on the first difference."""
        rows = list(enumerate(result.rows))
        self.first_difference = next((n for n, row in rows if not row.same), None)
        self.show_rows(rows)
        if self.first_difference is not None:
            self.go_to(str(self.first_difference))

    def key_of(self, row: NumberedRow) -> str:
        """Return the number of the row."""
        return str(row[0])

    def _widths(self, width: int) -> tuple[int, int]:
        side = max(8, (width - 3 - SOURCE_WIDTH - 1) // 2)
        return side, max(8, width - 3 - SOURCE_WIDTH - 1 - side)

    def draw_head(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the column headings."""
        left, right = self._widths(width)
        yield Segment("   ", palette.dim)
        yield cell("ORIGINAL", left, palette.dim)
        yield Segment(" ")
        yield cell("NEW RUN", right - 1, palette.dim)
        yield Segment(" ")
        yield cell("FROM", SOURCE_WIDTH - 1, palette.dim)

    def draw_row(self, row: NumberedRow, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw both sides; differences are marked, the first one most strongly."""
        number, pair = row
        left, right = self._widths(width)
        differs = "≠" if self.glyphs.eighths else "!"
        style = palette.warn if not pair.same else palette.dim
        if number == self.first_difference:
            style = palette.strong + palette.bad
        yield Segment(f"{differs if not pair.same else ' '}  ", style)
        original = palette.text if pair.same else palette.strong
        yield from self._side(pair.original, pair.original_result, left, original, palette)
        yield Segment(" ")
        yield from self._side(pair.new, pair.new_result, right - 1, style if not pair.same
                              else palette.text, palette)  # fmt: skip
        yield Segment(" ")
        yield cell(pair.source, SOURCE_WIDTH - 1, _source_style(pair.source, palette),
                   ellipsis=self.glyphs.ellipsis)  # fmt: skip

    def _side(
        self, title: str | None, result: Any, width: int, style: Style, palette: Palette
    ) -> Iterable[Segment]:
        if title is None:
            yield Segment(fit(self.glyphs.none, width), palette.faint)
            return
        text = result_text(title, result)
        name = min(len(title), width if not text else max(width // 2, width - len(text) - 1))
        yield cell(title, name, style, ellipsis=self.glyphs.ellipsis)
        if width > name:
            yield Segment(" ")
            yield cell(text, width - name - 1, palette.dim, ellipsis=self.glyphs.ellipsis)


def _source_style(source: str, palette: Palette) -> Style:
    return {
        "changed": palette.warn,
        "answered": palette.llm,
        "live": palette.bad,
        "none": palette.wait,
    }.get(source, palette.dim)
