"""The user's source around the current line of a replay."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import ClassVar

from rich.segment import Segment
from textual import events, work
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from playhead_tui.drawing.cells import clip, fit
from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.drawing.palette import Palette, palette_of
from playhead_tui.drawing.python_source import SourceFile, read_source
from playhead_tui.widgets.replay.stop_pane import SCROLLING

__all__ = ["SourcePane"]


class SourceFileRead(Message, bubble=False):
    """Posted when a source file was read, or could not be read."""

    def __init__(self, file: SourceFile) -> None:
        super().__init__()
        self.file = file


class SourcePane(ScrollView, can_focus=True, inherit_bindings=False):
    """A file with its current line, and weaker marks on lines where other tasks wait."""

    DEFAULT_CSS = """
    SourcePane { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1;
        scrollbar-color: $foreground 25%; scrollbar-background: $background;
        }
    """
    BINDINGS: ClassVar[list[BindingType]] = SCROLLING

    def __init__(self, *, glyphs: Glyphs = UNICODE, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self.glyphs = glyphs
        self._file = SourceFile("")
        self._title = ""
        self._line = 0
        self._others: frozenset[int] = frozenset()
        self._files: dict[str, SourceFile] = {}
        """The files that were read, by path."""
        self._unread: set[str] = set()
        """Paths of the files that are being read."""

    @property
    def line(self) -> int:
        """The current line, from 1; 0 for none."""
        return self._line

    def show_source(
        self, file: SourceFile, line: int, title: str, others: Collection[int] = ()
    ) -> None:
        """Show a file.

        Args:
            file: the file.
            line: the current line, from 1.
            title: title above the source.
            others: lines where other tasks wait.
        """
        self._file, self._line, self._title = file, line, title
        self._others = frozenset(others)
        self.virtual_size = Size(1, len(file.lines) + 1)
        self._reveal()
        self.refresh()

    def show_file(
        self, path: str, folder: str, line: int, title: str, others: Collection[int]
    ) -> None:
        """Show a file, once it has been read.

        Args:
            path: path of the file, as a frame names it.
            folder: folder that a relative path starts from.
            line: the current line, from 1.
            title: title above the source.
            others: lines where other tasks wait.
        """
        file = self._files.get(path)
        if file is None and path not in self._unread:
            self._unread.add(path)
            self._read(path, folder)
        self.show_source(file or SourceFile(path, unreadable="Reading ..."), line, title, others)

    def forget_files(self) -> None:
        """Read the files again when they are shown next: they may have changed."""
        self._files.clear()

    @work(group="source")
    async def _read(self, path: str, folder: str) -> None:
        self.post_message(SourceFileRead(await asyncio.to_thread(read_source, path, folder)))

    def on_source_file_read(self, message: SourceFileRead) -> None:
        """Show the file, if it is still wanted."""
        file = message.file
        self._unread.discard(file.path)
        self._files[file.path] = file
        if file.path == self._file.path:
            self.show_source(file, self._line, self._title, self._others)

    def _reveal(self) -> None:
        """Scroll the current line to the middle unless it is well inside the pane."""
        page = max(1, self.size.height - 1)
        top, place = round(self.scroll_y), self._line - 1
        margin = min(3, page // 4)
        if not top + margin <= place < top + page - margin:
            self._go(place - page // 2)

    def _go(self, top: float) -> None:
        self.scroll_target_y = self.scroll_y = max(0, min(top, self.max_scroll_y))

    def on_resize(self, event: events.Resize) -> None:
        """Keep the current line visible."""
        self._reveal()

    def on_focus(self) -> None:
        """Redraw the title."""
        self.refresh()

    def on_blur(self) -> None:
        """Redraw the title."""
        self.refresh()

    def action_scroll_lines(self, lines: int) -> None:
        """Scroll by lines."""
        self._go(self.scroll_y + lines)

    def action_scroll_pages(self, pages: int) -> None:
        """Scroll by half pages."""
        self._go(self.scroll_y + pages * max(1, self.size.height // 2))

    # Drawing.

    def render_line(self, y: int) -> Strip:
        """Draw one visible line."""
        palette = palette_of(self)
        width, base = self.scrollable_content_region.width, self.rich_style
        if y == 0:
            style = palette.strong + (palette.cursor if self.has_focus else palette.weak_cursor)
            title = clip(self._title) or "Source"
            shown = fit(title, min(len(title), max(1, width - 4)), ellipsis=self.glyphs.ellipsis)
            strip = Strip([Segment(" "), Segment(f" {shown} ", style)])
            return strip.adjust_cell_length(width, base).apply_style(base)
        if self._file.unreadable:
            text = self._file.unreadable if y == 2 else ""
            return Strip([Segment(f"   {text}", palette.dim)]).adjust_cell_length(width, base)
        number = y + round(self.scroll_y)
        if number > len(self._file.lines):
            return Strip.blank(width, base)
        strip = self._crop(Strip(self._source(number, palette)), width, palette)
        if number == self._line:
            strip = strip.adjust_cell_length(width, base)
            paper = palette.cursor
            strip = Strip([Segment(s.text, (s.style or base) + paper) for s in strip], width)
        return strip.adjust_cell_length(width, base).apply_style(base)

    def _crop(self, strip: Strip, width: int, palette: Palette) -> Strip:
        if strip.cell_length <= width:
            return strip
        return Strip([*strip.crop(0, width - 1), Segment(self.glyphs.ellipsis, palette.dim)])

    def _source(self, number: int, palette: Palette) -> Iterator[Segment]:
        current = number == self._line
        mark = self.glyphs.open if current else " "
        if number in self._others and not current:
            mark = self.glyphs.status["suspended"]
        yield Segment(f" {mark} ", palette.strong + palette.accent if current else palette.wait)
        digits = len(str(len(self._file.lines)))
        yield Segment(f"{number:>{digits}}  ", palette.text if current else palette.faint)
        for text, style in self._file.lines[number - 1]:
            yield Segment(text, getattr(palette, style))
