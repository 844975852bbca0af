"""Bars of the waterfall, exact to an eighth of a cell; even the shortest bar has a mark."""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style

from playhead_tui.drawing.glyphs import Glyphs

__all__ = ["BarCanvas"]

REVERSE = Style(reverse=True)


class BarCanvas:
    """One line of cells to draw bars on; later drawings cover earlier ones."""

    def __init__(self, width: int, glyphs: Glyphs) -> None:
        self.glyphs = glyphs
        self._cells: list[tuple[str, Style]] = [(" ", Style.null())] * width
        self._backgrounds: list[Style | None] = [None] * width

    def band(self, start: float, end: float, style: Style) -> None:
        """Set the background from start to end, in whole cells."""
        for column in range(round(start), min(round(end), len(self._backgrounds))):
            self._backgrounds[column] = style

    def put(self, column: int, text: str, style: Style) -> None:
        """Draw a text, cut at the edges."""
        for offset, mark in enumerate(text):
            if 0 <= column + offset < len(self._cells):
                self._cells[column + offset] = (mark, style)

    def fill(self, start: float, end: float, mark: str, style: Style) -> None:
        """Repeat one mark over whole cells, at least one."""
        first = min(int(start), len(self._cells) - 1)
        last = max(first + 1, min(round(end), len(self._cells)))
        for column in range(first, last):
            self._cells[column] = (mark, style)

    def bar(self, start: float, end: float, style: Style) -> None:
        """Draw a solid bar, exact to an eighth of a cell."""
        eighths = self.glyphs.eighths
        if not eighths:
            self.fill(start, end, self.glyphs.bar, style)
            return
        width = len(self._cells)
        first = min(round(start * 8), width * 8 - 1)
        last = max(first + 1, min(round(end * 8), width * 8))
        column, inside = divmod(first, 8)
        if last <= column * 8 + 8:
            self._part(column, inside, last - column * 8, style)
            return
        if inside:
            self._cells[column] = (eighths[inside], style + REVERSE)
            column += 1
        for full in range(column, last // 8):
            self._cells[full] = (eighths[8], style)
        if last % 8:
            self._cells[last // 8] = (eighths[last % 8], style)

    def _part(self, column: int, start: int, end: int, style: Style) -> None:
        """Draw a bar inside one cell, with the closest mark that exists."""
        if start == 0:
            self._cells[column] = (self.glyphs.eighths[end], style)
        elif end == 8:
            self._cells[column] = (self.glyphs.eighths[start], style + REVERSE)
        else:
            mark = "▏" if start + end <= 5 else "▕" if start + end >= 11 else "╎"
            self._cells[column] = (mark, style)

    def segments(self) -> Iterable[Segment]:
        """Yield the segments of the line; adjacent cells of one style are joined."""
        text, last = "", Style.null()
        for (mark, style), background in zip(self._cells, self._backgrounds, strict=True):
            shown = style + background if background else style
            if text and shown != last:
                yield Segment(text, last)
                text = ""
            text += mark
            last = shown
        if text:
            yield Segment(text, last)
