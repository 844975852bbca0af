"""The panes of a replay: source, list of steps, details of the stop."""

from __future__ import annotations

from collections.abc import Collection

from playhead.replay import Report, Session
from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.widget import Widget

from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.widgets.replay.source_pane import SourcePane
from playhead_tui.widgets.replay.stop_list import StopList
from playhead_tui.widgets.replay.stop_pane import StopPane

__all__ = ["ReplayPanes"]

WIDE = 110
"""Least width, in columns, that puts source and details side by side."""
TALL = 26
"""Least height, in lines, that leaves room for a separate list of steps."""
LEAST = 2
"""Height, in lines, at which a pane shows no more than a title and one line."""


class ReplayPanes(Container):
    """Panes side by side or stacked; on small terminals the steps replace the source."""

    DEFAULT_CSS = """
    ReplayPanes { layout: vertical; height: 1fr; }
    ReplayPanes #code { height: 1fr; }
    ReplayPanes #source { height: 1fr; }
    ReplayPanes #steps { height: 1fr; display: none; }
    ReplayPanes.tall #steps { display: block; border-top: solid $panel; max-height: 12; }
    ReplayPanes.show-steps #source { display: none; }
    ReplayPanes.show-steps #steps { display: block; border-top: none; max-height: 100%; }
    ReplayPanes #stop { height: 1fr; border-top: solid $panel; }
    ReplayPanes.wide { layout: horizontal; }
    ReplayPanes.wide #code { width: 11fr; height: 100%; }
    ReplayPanes.wide #stop { width: 9fr; height: 100%; border-top: none;
        border-left: solid $panel; }
    ReplayPanes.zoom-source #stop, ReplayPanes.zoom-source #steps { display: none; }
    ReplayPanes.zoom-steps #stop, ReplayPanes.zoom-steps #source { display: none; }
    ReplayPanes.zoom-steps #steps { display: block; border-top: none; max-height: 100%; }
    ReplayPanes.zoom-stop #code { display: none; }
    ReplayPanes.zoom-stop #stop { border: none; }
    ReplayPanes.plain #stop, ReplayPanes.plain.tall #steps { border-top: ascii $panel; }
    ReplayPanes.plain.wide #stop { border-top: none; border-left: ascii $panel; }
    """

    def __init__(self, *, glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.source = SourcePane(glyphs=glyphs, widget_id="source")
        self.steps = StopList(glyphs=glyphs, widget_id="steps")
        self.details = StopPane(glyphs=glyphs, widget_id="stop")
        self.set_class(not glyphs.eighths, "plain")
        self.zoomed = ""
        """Id of the pane that fills the screen; empty for none."""

    def compose(self) -> ComposeResult:
        """Lay out the code on one side and the details on the other."""
        with Container(id="code"):
            yield self.source
            yield self.steps
        yield self.details

    def on_resize(self, event: events.Resize) -> None:
        """Put the panes side by side or one above the other."""
        self.set_class(event.size.width >= WIDE, "wide")
        self.set_class(event.size.height >= TALL, "tall")

    def show_stop(
        self, session: Session, level: int, report: Report | None, breakpoints: Collection[int]
    ) -> None:
        """Show the stop under the playhead, except for its source.

        Args:
            session: the stops and the playhead.
            level: number of the selected frame.
            report: the report, once it is ready.
            breakpoints: positions to mark.
        """
        stop = session.current
        self.steps.mark_breakpoints(breakpoints)
        if stop and self.steps.cursor != str(stop.command_index):
            self.steps.go_to(str(stop.command_index))
        before = session.stops[session.position - 1] if session.position else None
        self.details.show_stop(stop, before, level, report)

    def open_pane(self, name: str) -> None:
        """Focus a pane; zoom it if another one is zoomed, or if it has no room beside the others.

        On low terminals, the steps are shown instead of the source.
        """
        if self.zoomed:
            self._zoom(name)
        self.set_class(name == "steps" and not self.has_class("tall"), "show-steps")
        pane = self.query_one(f"#{name}", Widget)
        pane.focus()

        def zoom_without_room() -> None:
            shown = pane.region.intersection(self.region).height
            if not self.zoomed and pane.has_focus and shown <= LEAST:
                self._zoom(name)

        self.call_after_refresh(zoom_without_room)

    def toggle_zoom(self) -> None:
        """Zoom the focused pane to the whole screen, or undo the zoom."""
        focused = self.screen.focused
        self._zoom("" if self.zoomed else (focused.id if focused else None) or "source")

    def undo(self) -> bool:
        """Undo the zoom or hide the steps; return False when there is nothing to undo."""
        if self.zoomed:
            self._zoom("")
        elif self.has_class("show-steps"):
            self.open_pane("stop")
        else:
            return False
        return True

    def _zoom(self, name: str) -> None:
        for pane in ("source", "stop", "steps"):
            self.set_class(pane == name, f"zoom-{pane}")
        self.zoomed = name
