"""A document under tabs, wrapped to the width and drawn line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from playhead_tui.drawing.cells import clip, fit, wrap
from playhead_tui.drawing.document import Line
from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.drawing.palette import Palette, palette_of

__all__ = ["TextPane", "tabs_in_view"]

NAME_WIDTH = 12
NARROW = 36
"""Cells of a pane below which names have a narrow column, and long ones stand above their text."""
NARROW_NAME_WIDTH = 4
CUT_WIDTH = 2
"""Cells of the sign for tabs that do not fit."""
_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"(?=\s*:))|(?P<good>"(?:[^"\\]|\\.)*"?)'
    r"|(?P<warn>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity)"
)
_STRING_REST = re.compile(r'(?:[^"\\]|\\.)*(?:"|\\?$)')


class TextPane(ScrollView, can_focus=True):
    """Lines of text below a title or tabs, which do not scroll."""

    DEFAULT_CSS = """
    TextPane { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1;
        scrollbar-color: $foreground 25%; scrollbar-background: $background;
        }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_lines(1)", "Down", show=False),
        Binding("k,up", "scroll_lines(-1)", "Up", show=False),
        Binding("g,home", "scroll_edge(0)", "Top", show=False),
        Binding("G,end", "scroll_edge(1)", "Bottom", show=False),
        Binding("ctrl+d,pagedown,space", "scroll_pages(1)", "Page down", show=False),
        Binding("ctrl+u,pageup", "scroll_pages(-1)", "Page up", show=False),
    ]

    def __init__(
        self, title: str, *, glyphs: Glyphs = UNICODE, widget_id: str | None = None
    ) -> None:
        super().__init__(id=widget_id)
        self.glyphs = glyphs
        self.tabs: Sequence[str] = (title,)
        """Names of the tabs; a single one is the title."""
        self.tab: int = 0
        self._lines: Sequence[Line] = ()
        self._pieces: list[tuple[Line, str, bool, bool]] = []
        """Line, one of its parts, whether that is the first part, and whether it begins inside a
        JSON string."""
        self._width = 0

    @property
    def text(self) -> str:
        """The whole text, as it is copied."""
        return "\n".join(f"{line.name}: {line.text}" if line.name else line.text
                         for line in self._lines)  # fmt: skip

    def show_lines(self, lines: Sequence[Line], *, stay: bool) -> None:
        """Show a document; `stay` keeps the scroll position."""
        self._lines = lines
        self._width = 0
        self._lay_out()
        if not stay:
            self._scroll_lines_to(0)
        self.refresh()

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width - 3
        if width == self._width or width < 4:
            return
        self._width = width
        pieces: list[tuple[Line, str, bool, bool]] = []
        for line in self._lines:
            first = True
            room = width - line.indent - (self._name_width if line.syntax == "pair" else 0)
            if line.syntax == "pair" and width < NARROW and cell_len(line.name) >= self._name_width:
                above = Line(line.name, "dim", line.indent)
                names = wrap(above.text, width - line.indent)
                pieces += [(above, name, False, False) for name in names]
                first = False
            hang = _hang(line, room)
            is_inside = False
            for part in wrap(line.text, room) if not hang else _wrap_hanging(line, room, hang):
                pieces.append((line, part, first, is_inside))
                first = False
                if line.syntax == "json":
                    is_inside ^= bool(_quotes(part) % 2)
        self._pieces = pieces
        self.virtual_size = Size(1, len(pieces) + 1)

    @property
    def _name_width(self) -> int:
        return NAME_WIDTH if self._width >= NARROW else NARROW_NAME_WIDTH

    def on_resize(self, event: events.Resize) -> None:
        """Wrap the lines to the new width."""
        self._lay_out()

    def on_focus(self) -> None:
        """Redraw the title."""
        self.refresh()

    def on_blur(self) -> None:
        """Redraw the title."""
        self.refresh()

    def _scroll_lines_to(self, top: float) -> None:
        self.scroll_target_y = self.scroll_y = max(0, min(top, self.max_scroll_y))

    def action_scroll_lines(self, lines: int) -> None:
        """Scroll by lines."""
        self._scroll_lines_to(self.scroll_y + lines)

    def action_scroll_pages(self, pages: int) -> None:
        """Scroll by half pages."""
        self.action_scroll_lines(pages * max(1, self.size.height // 2))

    def action_scroll_edge(self, edge: int) -> None:
        """Scroll to the top or the bottom."""
        self._scroll_lines_to(self.max_scroll_y if edge else 0)

    # Drawing.

    def render_line(self, y: int) -> Strip:
        """Draw one visible line."""
        palette = palette_of(self)
        width, base = self.scrollable_content_region.width, self.rich_style
        if y == 0:
            segments = self._head(palette)
        else:
            place = y - 1 + round(self.scroll_y)
            if place >= len(self._pieces):
                return Strip.blank(width, base)
            segments = self._piece(*self._pieces[place], palette)
        return Strip(segments).adjust_cell_length(width, base).apply_style(base)

    def _head(self, palette: Palette) -> Iterator[Segment]:
        room = self.scrollable_content_region.width - 1
        shown = tabs_in_view(self.tabs, self.tab, room)
        cut = self.glyphs.ellipsis
        yield Segment(f"{cut} " if shown.start else " ", palette.dim)
        for number in shown:
            if number == self.tab:
                style = palette.strong + (palette.cursor if self.has_focus else palette.weak_cursor)
            else:
                style = palette.dim
            name = self.tabs[number]
            if len(shown) == 1 and cell_len(name) > room - 2 * CUT_WIDTH:
                name = fit(name, max(1, room - 2 * CUT_WIDTH), ellipsis=cut)
            yield Segment(f" {name} ", style)
        if shown.stop < len(self.tabs):
            yield Segment(f" {cut}", palette.dim)

    def _piece(
        self, line: Line, part: str, first: bool, is_inside: bool, palette: Palette
    ) -> Iterator[Segment]:
        yield Segment("  " + " " * line.indent)
        if line.syntax == "pair":
            yield Segment(fit(clip(line.name) if first else "", self._name_width), palette.dim)
        if line.syntax == "json":
            yield from _json_segments(part, palette, is_inside=is_inside)
        else:
            yield Segment(part, getattr(palette, line.style))


def tabs_in_view(names: Sequence[str], selected: int, width: int) -> range:
    """Return the tabs that fit, among them the selected one, as few as possible before it cut."""
    widths = [cell_len(name) + 2 for name in names]

    def fits(first: int, last: int) -> bool:
        signs = CUT_WIDTH * ((first > 0) + (last < len(names)))
        return sum(widths[first:last]) + signs <= width

    first = next((one for one in range(selected) if fits(one, selected + 1)), selected)
    stops = range(len(names), selected + 1, -1)
    return range(first, next((one for one in stops if fits(first, one)), selected + 1))


def _quotes(text: str) -> int:
    """Return the number of quotes that begin or end a string."""
    return text.count('"') - (text.count('\\"') if "\\" in text else 0)


def _json_segments(text: str, palette: Palette, *, is_inside: bool = False) -> Iterator[Segment]:
    """Color a line of JSON, or a part of one that begins inside a string."""
    place = 0
    if is_inside and (rest := _STRING_REST.match(text)):
        place = rest.end()
        yield Segment(rest.group(), palette.text)
    for found in _TOKEN.finditer(text, place):
        if found.start() > place:
            yield Segment(text[place : found.start()], palette.dim)
        style = {"key": palette.accent, "good": palette.text, "warn": palette.warn}
        yield Segment(found.group(), style[found.lastgroup or "good"])
        place = found.end()
    if place < len(text):
        yield Segment(text[place:], palette.dim)


def _hang(line: Line, room: int) -> int:
    """Return the indentation of the wrapped parts of a line of JSON or of a difference."""
    if line.syntax not in ("json", "diff") or cell_len(line.text[: room + 1]) <= room:
        return 0
    text = line.text[1:] if line.syntax == "diff" else line.text
    return min(room // 2, len(line.text) - len(text.lstrip()) + 2)


def _wrap_hanging(line: Line, room: int, hang: int) -> Iterator[str]:
    parts = wrap(line.text, room)
    head = next(parts)
    yield head
    rest = line.text[len(head) :].lstrip()
    for part in wrap(rest, room - hang):
        yield " " * hang + part
