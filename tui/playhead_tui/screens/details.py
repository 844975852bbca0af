"""The common base of screens with a list and the details of its current row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Static

from playhead_tui.drawing.document import Line
from playhead_tui.screens.groups import GroupScreen
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.group_list import GroupList
from playhead_tui.widgets.key_footer import KeyFooter
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.text_pane import TextPane
from playhead_tui.widgets.title_line import TitleLine

__all__ = ["DetailScreen", "NamedScreen"]

Group = TypeVar("Group")
WIDE = 110
"""Least width, in columns, that puts the details beside the list."""


class NamedScreen(GroupScreen[Group], Generic[Group]):
    """A list that is filtered by a part of a name instead of the filter language."""

    FILTER_HINT = "Part of a name"

    def filter_problem(self, text: str) -> str | None:
        """Return None: every text can be part of a name."""
        return None

    def complete_filter(self, text: str) -> None:
        """Return None: names are not completed."""


class DetailScreen(NamedScreen[Group], Generic[Group]):
    """A list, and a pane with the details of the row under the cursor."""

    DEFAULT_CSS = """
    DetailScreen #panes { layout: vertical; height: 1fr; }
    DetailScreen #details { height: 3fr; border-top: solid $panel; }
    DetailScreen GroupList { height: 2fr; }
    DetailScreen.wide #panes { layout: horizontal; }
    DetailScreen.wide GroupList { width: 1fr; height: 100%; }
    DetailScreen.wide #details { width: 1fr; height: 100%; border-top: none;
        border-left: solid $panel; }
    DetailScreen.-short #details, DetailScreen.-tiny #details { display: none; }
    DetailScreen.zoom #details { display: block; border: none; }
    DetailScreen.zoom GroupList { display: none; }
    DetailScreen.empty #details { display: none; }
    .ascii DetailScreen #details { border-top: ascii $panel; }
    .ascii DetailScreen.wide #details { border-top: none; border-left: ascii $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "zoom", "Zoom", show=False),
    ]
    DETAILS: ClassVar[str] = "Details"
    """Title of the pane."""
    _shown: tuple[str | None, Sequence[Line]] = (None, ())
    """Row and lines in the pane."""

    @abstractmethod
    def details(self, row: Group) -> Sequence[Line]:
        """Return the details of a row."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Lay out the title, the chips, the list, the pane, the notes and the keys."""
        glyphs = self.dashboard.glyphs
        yield TitleLine(self.NAME)
        yield Chips(glyphs=glyphs)
        with Container(id="panes"):
            yield GroupList(self.columns(), self.key_of, glyphs=glyphs)
            yield TextPane(self.DETAILS, glyphs=glyphs, widget_id="details")
        yield Static("Reading ...", id="empty", markup=False)
        yield Notes(glyphs=glyphs)
        yield KeyFooter()

    def on_resize(self, event: events.Resize) -> None:
        """Put the pane beside the list, or below it."""
        self.set_class(event.size.width >= WIDE, "wide")

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Show the details of the row under the cursor."""
        row = self.listing.current
        lines = () if row is None else tuple(self.details(row))
        shown = (self.listing.cursor, lines)
        if shown != self._shown:
            stay = shown[0] == self._shown[0]
            self._shown = shown
            self.query_one("#details", TextPane).show_lines(lines, stay=stay)

    def action_zoom(self) -> None:
        """Show the details only, or the list again."""
        self.toggle_class("zoom")
        zoomed = self.has_class("zoom")
        (self.query_one("#details", TextPane) if zoomed else self.listing).focus()

    def action_back(self) -> None:
        """Undo one layer: the zoom, the filter, or the screen."""
        if self.has_class("zoom"):
            self.action_zoom()
        else:
            super().action_back()
