"""A list drawn line by line; its cursor follows the identity of a row, not a position."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar
from textual.strip import Strip

from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.drawing.inherited_colors import InheritedColors
from playhead_tui.drawing.ink import Ink
from playhead_tui.drawing.palette import Palette, palette_of

__all__ = ["MOVES", "RowsView"]

Row = TypeVar("Row")
# The type of a reactive attribute of a class is not known to pyright.
_HEIGHT: Any = ScrollView.virtual_size
_BAR_HEIGHT: Any = ScrollBar.window_virtual_size

MOVES: list[BindingType] = [
    Binding("j,down", "move(1)", "Down", show=False),
    Binding("k,up", "move(-1)", "Up", show=False),
    Binding("g,home", "edge(-1)", "First", show=False),
    Binding("G,end", "edge(1)", "Last", show=False),
    Binding("ctrl+d,pagedown", "page(1)", "Page down", show=False),
    Binding("ctrl+u,pageup", "page(-1)", "Page up", show=False),
]


class RowsView(ScrollView, Generic[Row], can_focus=True):
    """Rows of one line each below a heading; only visible rows are drawn.

    Subclasses define the identity of a row and its drawing. When the row under the cursor
    disappears, the cursor moves to its neighbor, and returns once the row is back.
    """

    DEFAULT_CSS = """
    RowsView { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1;
        scrollbar-color: $foreground 25%; scrollbar-background: $background;
        }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *MOVES,
        Binding("enter", "choose", "Open", key_display="enter"),
    ]

    class Moved(Message):
        """Posted when the cursor is on another row, or its row has changed."""

        def __init__(self, view: RowsView[Any]) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> RowsView[Any]:
            """The list."""
            return self.view

        def can_replace(self, message: Message) -> bool:
            """Keep only the newest position of the cursor."""
            return isinstance(message, RowsView.Moved) and message.view is self.view

    class Chosen(Moved):
        """Posted when a row was chosen with Enter or a double click."""

    class HeadClicked(Message):
        """Posted when a column's heading was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    class NearEnd(Message):
        """Posted when the cursor is close to the last row; more rows may be needed."""

    HEAD = 1

    def __init__(self, *, widget_id: str | None = None, glyphs: Glyphs = UNICODE) -> None:
        super().__init__(id=widget_id)
        self.glyphs = glyphs
        self.follow: int = 0
        """-1: the cursor stays on the first row; 1: on the last; 0: on its own row."""
        self._rows: Sequence[Row] = ()
        self._places: dict[str, int] = {}
        self._cursor: str | None = None
        self._wanted: str | None = None
        self._colors = InheritedColors(self)
        self._base = Style()
        """Colors of the list where a row sets none."""
        self._looks: dict[int, object] = {}
        """What the lines on screen were drawn from, by their place on screen."""
        self._strips: dict[str | int, tuple[object, Strip]] = {}
        """The rows that were drawn last, by identity, with what they were drawn from; the heading
        has the key 0, and a line below the last row 1."""
        self._common: object = None
        self._frame: object = None
        """What all of these were drawn from."""
        self._pen = Ink(self._base, (), Color(0, 0, 0))

    # For subclasses.

    @abstractmethod
    def key_of(self, row: Row) -> str:
        """Return the identity of a row."""
        raise NotImplementedError

    def keys_of(self, rows: Sequence[Row]) -> Iterable[str]:
        """Return the identities of all rows."""
        return map(self.key_of, rows)

    @abstractmethod
    def draw_row(self, row: Row, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw a row in `width` cells, without the cursor."""
        raise NotImplementedError

    def draw_head(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the line above the rows."""
        return ()

    def column_at(self, x: int, width: int) -> str:
        """Return the column in a cell of the heading; empty if there is none."""
        return ""

    def mark_of(self, row: Row) -> str:
        """Return one character before the row, such as that of a marked row."""
        return " "

    def look_of(self, row: Row) -> object:
        """Return all that the drawing of a row depends on; None to draw it again each time."""
        return None

    def common_look(self) -> object:
        """Return what the drawing of all lines, also of the heading, depends on."""
        return None

    # For screens.

    @property
    def rows(self) -> Sequence[Row]:
        """The rows shown, in order."""
        return self._rows

    @property
    def cursor(self) -> str | None:
        """Identity of the row under the cursor."""
        return self._cursor

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return None if self._cursor is None else self._rows[self._places[self._cursor]]

    @property
    def place(self) -> int:
        """Position of the cursor; 0 without rows."""
        return 0 if self._cursor is None else self._places[self._cursor]

    @property
    def rows_in_view(self) -> Sequence[Row]:
        """The rows in view."""
        top = round(self.scroll_y)
        return self._rows[top : top + self._page]

    def show_rows(self, rows: Sequence[Row], *, stay_at_top: bool = False) -> None:
        """Replace the rows; the cursor stays on its row, and the row on its line of the screen.

        Args:
            rows: the new rows.
            stay_at_top: keep a cursor that is on the first row on the first row.
        """
        at_top = stay_at_top and self._cursor == self._wanted and not self.place
        offset = self.place - round(self.scroll_y)
        before, current = self.place, self.current
        if rows is not self._rows:
            self._places = dict(zip(self.keys_of(rows), range(len(rows)), strict=True))
        self._rows = rows
        self._resize_content()
        if not rows:
            self._cursor = None
        elif at_top:
            self._go(0)
        elif self.follow:
            self._go(0 if self.follow < 0 else len(rows) - 1)
        elif self._wanted in self._places:
            self._cursor = self._wanted
            self._scroll(self.place - offset if before or round(self.scroll_y) else 0)
        else:
            self._cursor = self.key_of(rows[min(before, len(rows) - 1)])
            self._wanted = self._wanted or self._cursor
            self._scroll(self.place - offset)
        self.refresh_changed()
        if self.current != current:
            self.post_message(self.Moved(self))

    def refresh_changed(self) -> None:
        """Draw the lines again that look different, such as those whose age has changed."""
        common = self.common_look()
        if common is None or common != self._common:
            self.refresh()
            return
        top, width = round(self.scroll_y), self.scrollable_content_region.width
        lines = range(min(self._page, max(len(self._rows) - top, len(self._looks))))
        changed = [line for line in lines if self._looks.get(line) != self._look(line + top)]
        if changed:
            self.refresh(*(Region(0, line + self.HEAD, width, 1) for line in changed))

    def go_to(self, key: str) -> bool:
        """Move the cursor to a row; return False when it is not shown."""
        place = self._places.get(key)
        if place is None:
            return False
        self._go(place)
        self.post_message(self.Moved(self))
        return True

    # Inside.

    def _look(self, place: int) -> object:
        """Return what a line is drawn from; None if there is no row."""
        if place >= len(self._rows):
            return None
        row = self._rows[place]
        is_current = self.key_of(row) == self._cursor
        return row, self.look_of(row), self.mark_of(row), is_current, is_current and self.has_focus

    def _resize_content(self) -> None:
        """Make room for the rows; without a new layout if the scroll bar is there and stays."""
        size = Size(1, len(self._rows) + self.HEAD)
        needed = size.height > self.size.height
        if self.is_mounted and needed and self.show_vertical_scrollbar:
            bar = self.vertical_scrollbar
            before = self._bar_ends(bar.window_virtual_size)
            self.set_reactive(_HEIGHT, size)
            bar.set_reactive(_BAR_HEIGHT, size.height)
            if self._bar_ends(size.height) != before:
                bar.refresh()
        else:
            self.virtual_size = size

    def _bar_ends(self, height: int) -> tuple[int, int]:
        """Return the ends of the scroll bar over this many lines, in eighths of a cell."""
        page = self.size.height
        length = max(1.0, page * page / max(1, height))
        start = int(8 * (page - length) * self.scroll_y / max(1, height - page))
        return start, start + math.ceil(8 * length)

    @property
    def _page(self) -> int:
        return max(1, self.size.height - self.HEAD)

    def _go(self, place: int) -> None:
        before, top = self._places.get(self._cursor or ""), self.scroll_y  # it may have left
        place = max(0, min(place, len(self._rows) - 1))
        self._cursor = self._wanted = self.key_of(self._rows[place])
        self._scroll(round(self.scroll_y))
        if self.scroll_y == top:
            if before != place:
                if before is not None:
                    self.refresh_line(before + self.HEAD)
                self.refresh_line(place + self.HEAD)
        else:
            self.refresh()
        if place >= len(self._rows) - self._page:
            self.post_message(self.NearEnd())

    def _scroll(self, top: int) -> None:
        """Scroll to line `top`, as far as the cursor stays visible."""
        top = max(self.place - self._page + 1, min(top, self.place))
        top = max(0, min(top, len(self._rows) - self._page))
        if top != self.scroll_y:
            self.scroll_target_y = self.scroll_y = top

    def action_move(self, step: int) -> None:
        """Move the cursor by rows."""
        self.follow = 0
        if self._rows:
            self._go(self.place + step)
            self.post_message(self.Moved(self))

    def action_page(self, pages: int) -> None:
        """Move the cursor by half pages."""
        self.action_move(pages * max(1, self._page // 2))

    def action_edge(self, end: int) -> None:
        """Move the cursor to the first or the last row."""
        self.action_move(end * len(self._rows))

    def action_choose(self) -> None:
        """Choose the row."""
        if self._cursor is not None:
            self.post_message(self.Chosen(self))

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor visible."""
        self._looks.clear()
        self.virtual_size = Size(1, len(self._rows) + self.HEAD)
        if self._rows:
            self._scroll(round(self.scroll_y))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked row; a double click chooses it."""
        place = event.y - self.HEAD + round(self.scroll_y)
        if event.y < self.HEAD:
            width = self.scrollable_content_region.width - 2
            if column := self.column_at(event.x - 2, width):
                self.post_message(self.HeadClicked(column))
        elif place < len(self._rows):
            self.follow = 0
            self._go(place)
            self.post_message(self.Chosen(self) if event.chain == 2 else self.Moved(self))

    def on_focus(self) -> None:
        """Redraw the cursor."""
        self.refresh()

    def on_blur(self) -> None:
        """Redraw the cursor."""
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw lines; those that are known only move.

        Textual's own cache is by the place on screen, so it forgets all lines that move. It asks
        for all lines of a widget of which one has changed, so a known line must cost little.
        """
        self._base, background = self._colors.now()
        self._common = self.common_look()
        if self._common is None:
            return super().render_lines(crop)
        palette, width = palette_of(self), self.scrollable_content_region.width
        filters = self.get_line_filters()
        frame = self._common, width, self._base, palette, filters, background
        if frame != self._frame:
            self._pen = Ink(self._base, filters, background)
        if frame != self._frame or len(self._strips) > 4 * self._page:
            self._frame = frame
            self._strips.clear()
        top = round(self.scroll_y) - self.HEAD
        strips: list[Strip] = []
        for y in crop.line_range:
            place = y + top
            look: object = ()
            key: str | int = 0
            if y >= self.HEAD:
                look = self._looks[y - self.HEAD] = self._look(place)
                key = self.key_of(self._rows[place]) if look is not None else 1
            known = self._strips.get(key)
            if known is None or known[0] != look:
                strip = self._line(y, place, width, palette, self._pen)
                known = self._strips[key] = look, strip
            strips.append(known[1])
        if (crop.x, crop.right) == (0, width):
            return strips
        return [strip.crop(crop.x, crop.right) for strip in strips]

    def render_line(self, y: int) -> Strip:
        """Draw one visible line."""
        place = y - self.HEAD + round(self.scroll_y)
        if y >= self.HEAD:
            self._looks[y - self.HEAD] = self._look(place)
        ink = Ink(self._base, (), self.background_colors[1])
        return self._line(y, place, self.scrollable_content_region.width, palette_of(self), ink)

    def _line(self, y: int, place: int, width: int, palette: Palette, ink: Ink) -> Strip:
        """Draw the heading, a row, or nothing below the last one."""
        segments: Iterable[Segment] = ()
        if y < self.HEAD:
            segments = (Segment("  ", palette.dim), *self.draw_head(width - 2, palette))
        elif place < len(self._rows):
            segments = self._draw(self._rows[place], width, palette)
        return ink.strip(segments, width)

    def _draw(self, row: Row, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw a row with the cursor if it is there."""
        segments = self.draw_row(row, width - 2, palette)
        sign = self.mark_of(row)
        if self.key_of(row) != self._cursor:
            return (Segment(" " + sign, palette.accent), *segments)
        paper = palette.cursor if self.has_focus else palette.weak_cursor
        mark = (self.glyphs.cursor if self.has_focus else self.glyphs.cursor.lower()) + sign
        ink = palette.accent if self.has_focus else palette.dim
        strip = Strip([Segment(mark, ink), *segments]).adjust_cell_length(width, self._base)
        return _repaper(strip, paper)


def _repaper(strip: Strip, paper: Style) -> Iterable[Segment]:
    """Return the strip's segments on another background."""
    for text, style, control in strip:
        yield Segment(text, (style + paper) if style else paper, control)
