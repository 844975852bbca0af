"""Lines in the colors of their widget, of which each different segment is colored once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.strip import Strip

__all__ = ["Ink"]

MOST = 4096
"""Number of different segments that are kept."""


class Ink:
    """Colors the segments of lines, as `Strip.apply_style` and `Strip.apply_filter` would.

    Most segments of a line that is drawn again are those of before, and each of these methods makes
    a strip, which costs more than its segments.
    """

    def __init__(self, base: Style, filters: Sequence[LineFilter], background: Color) -> None:
        """Take the style below those of the segments, and the filters of the widget."""
        self.look = base, filters, background
        """What these lines are drawn with."""
        self._known: dict[Segment, tuple[list[Segment], int]] = {}

    def strip(self, segments: Iterable[Segment], width: int) -> Strip:
        """Return a line of this many cells."""
        done: list[Segment] = []
        cells = 0
        for segment in segments:
            colored, length = self._colored(segment)
            done += colored
            cells += length
        if cells < width:
            done += self._colored(Segment(" " * (width - cells)))[0]
        strip = Strip(done, max(cells, width))
        return strip if cells <= width else strip.crop(0, width)

    def _colored(self, segment: Segment) -> tuple[list[Segment], int]:
        """Return the colored segment, and its cells."""
        if known := self._known.get(segment):
            return known
        base, filters, background = self.look
        colored = list(Segment.apply_style([segment], base))
        for one in filters:
            colored = one.apply(colored, background)
        if len(self._known) >= MOST:
            self._known.clear()
        found = self._known[segment] = colored, segment.cell_length
        return found
