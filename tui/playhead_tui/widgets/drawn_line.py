"""A widget of one line, drawn without what Textual does for borders, paddings and links."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from playhead_tui.drawing.inherited_colors import InheritedColors
from playhead_tui.drawing.ink import Ink
from playhead_tui.drawing.palette import Palette, palette_of

__all__ = ["DrawnLine"]


class DrawnLine(Widget):
    """A line of segments. It has no border and no padding."""

    _pen: Ink | None = None
    _colors: InheritedColors | None = None

    @abstractmethod
    def draw(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the line in at most this many cells."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        """Draw the line."""
        self._colors = self._colors or InheritedColors(self)
        style, background = self._colors.now()
        look = style, self.get_line_filters(), background
        if self._pen is None or self._pen.look != look:
            self._pen = Ink(*look)
        return self._pen.strip(self.draw(self.size.width, palette_of(self)), self.size.width)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw the line, or a part of it."""
        return [self.render_line(y).crop(crop.x, crop.right) for y in crop.line_range]
