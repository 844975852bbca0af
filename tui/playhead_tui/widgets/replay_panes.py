"""The panes of a replay: source, list of steps, what is known of the stop."""

from __future__ import annotations

from collections.abc import Collection

from playhead.replay import Report, Session
from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.widget import Widget

from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.widgets.source_pane import SourcePane
from playhead_tui.widgets.stop_list import StopList
from playhead_tui.widgets.stop_pane import StopPane

__all__ = ["ReplayPanes"]

WIDE = 110
"""Columns from which source and facts stand side by side."""
TALL = 26
"""Lines from which the list of steps has room of its own."""


class ReplayPanes(Container):
    """Side by side, or one above the other; where there is little room, one gives way."""

    DEFAULT_CSS = """
    ReplayPanes { layout: vertical; height: 1fr; }
    ReplayPanes #code { height: 1fr; }
    ReplayPanes #source { height: 1fr; }
    ReplayPanes #steps { height: 1fr; display: none; }
    ReplayPanes.tall #steps { display: block; border-top: solid $panel; max-height: 12; }
    ReplayPanes.show-steps #source { display: none; }
    ReplayPanes.show-steps #steps { display: block; border-top: none; max-height: 100%; }
    ReplayPanes #facts { height: 1fr; border-top: solid $panel; }
    ReplayPanes.wide { layout: horizontal; }
    ReplayPanes.wide #code { width: 11fr; height: 100%; }
    ReplayPanes.wide #facts { width: 9fr; height: 100%; border-top: none;
        border-left: solid $panel; }
    ReplayPanes.zoom-source #facts, ReplayPanes.zoom-source #steps { display: none; }
    ReplayPanes.zoom-steps #facts, ReplayPanes.zoom-steps #source { display: none; }
    ReplayPanes.zoom-steps #steps { display: block; border-top: none; max-height: 100%; }
    ReplayPanes.zoom-facts #code { display: none; }
    ReplayPanes.zoom-facts #facts { border: none; }
    ReplayPanes.plain #facts, ReplayPanes.plain.tall #steps { border-top: ascii $panel; }
    ReplayPanes.plain.wide #facts { border-top: none; border-left: ascii $panel; }
    """

    def __init__(self, *, glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.source = SourcePane(glyphs=glyphs, widget_id="source")
        self.steps = StopList(glyphs=glyphs, widget_id="steps")
        self.facts = StopPane(glyphs=glyphs, widget_id="facts")
        self.set_class(not glyphs.eighths, "plain")
        self.zoomed = ""
        """Id of the pane that has the whole room; empty for none."""

    def compose(self) -> ComposeResult:
        """Code on one side, facts on the other."""
        with Container(id="code"):
            yield self.source
            yield self.steps
        yield self.facts

    def on_resize(self, event: events.Resize) -> None:
        """Side by side, or one above the other."""
        self.set_class(event.size.width >= WIDE, "wide")
        self.set_class(event.size.height >= TALL, "tall")

    def tell(
        self, session: Session, level: int, report: Report | None, breaks: Collection[int]
    ) -> None:
        """Show the stop under the playhead, but for its source.

        Args:
            session: the stops and the playhead.
            level: number of the selected frame.
            report: the verdict, once it is there.
            breaks: positions to mark.
        """
        stop = session.current
        self.steps.tell(breaks)
        if stop and self.steps.cursor != str(stop.command_index):
            self.steps.go_to(str(stop.command_index))
        before = session.stops[session.position - 1] if session.position else None
        self.facts.tell(stop, before, level, report)

    def open_pane(self, name: str) -> None:
        """Focus a pane; a zoomed one gives way, and so does the source for the steps."""
        if self.zoomed:
            self._zoom(name)
        self.set_class(name == "steps" and not self.has_class("tall"), "show-steps")
        self.query_one(f"#{name}", Widget).focus()

    def toggle_zoom(self) -> None:
        """Give the pane with the focus the whole room, or end that."""
        focused = self.screen.focused
        self._zoom("" if self.zoomed else (focused.id if focused else None) or "source")

    def undo(self) -> bool:
        """Take back the zoom or the shown steps; False when there is nothing to take back."""
        if self.zoomed:
            self._zoom("")
        elif self.has_class("show-steps"):
            self.open_pane("facts")
        else:
            return False
        return True

    def _zoom(self, name: str) -> None:
        for pane in ("source", "facts", "steps"):
            self.set_class(pane == name, f"zoom-{pane}")
        self.zoomed = name
