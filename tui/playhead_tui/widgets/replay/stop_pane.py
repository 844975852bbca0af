"""Details of the stop under the playhead."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from playhead.replay import Report, Stop, groups_of
from textual.binding import Binding, BindingType

from playhead_tui.drawing.document import Line
from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.inspector import stop as stop_lines
from playhead_tui.widgets.text_pane import TextPane

__all__ = ["SCROLLING", "StopPane"]

SCROLLING: list[BindingType] = [
    Binding("j,down", "scroll_lines(1)", "Down", show=False),
    Binding("k,up", "scroll_lines(-1)", "Up", show=False),
    Binding("ctrl+d,pagedown,space", "scroll_pages(1)", "Page down", show=False),
    Binding("ctrl+u,pageup", "scroll_pages(-1)", "Page up", show=False),
]
"""Scrolling keys of the panes; left, right, home and end move the playhead."""
NAMES = ("Variables", "Step", "Messages", "State", "Differences")


class StopPane(TextPane, inherit_bindings=False):
    """Tabs of one stop; stays on the same tab from stop to stop."""

    BINDINGS: ClassVar[list[BindingType]] = SCROLLING

    def __init__(self, *, glyphs: Glyphs = UNICODE, widget_id: str | None = None) -> None:
        super().__init__(NAMES[0], glyphs=glyphs, widget_id=widget_id)
        self.tabs = NAMES
        self._stop: Stop | None = None
        self._before: Stop | None = None
        self._report: Report | None = None
        self._level = 0

    def show_stop(
        self, stop: Stop | None, before: Stop | None, level: int, report: Report | None
    ) -> None:
        """Show a stop.

        Args:
            stop: the stop under the playhead.
            before: the stop before it, to highlight variables that changed.
            level: number of the selected frame.
            report: the report, once it is ready.
        """
        stay = self.tabs[self.tab] == NAMES[4] or stop is self._stop
        self._stop, self._before, self._level, self._report = stop, before, level, report
        differ = len(groups_of(report.divergences)) if report else 0
        self.tabs = (*NAMES[:4], f"{NAMES[4]} {differ}" if differ else NAMES[4])
        self._show(stay=stay)

    def action_tab(self, step: int) -> None:
        """Show the next or previous tab."""
        self.open_tab((self.tab + step) % len(NAMES))

    def open_tab(self, tab: int) -> None:
        """Show this tab."""
        self.tab = tab
        self._show(stay=False)

    def _show(self, *, stay: bool) -> None:
        stop, report = self._stop, self._report
        if NAMES[self.tab] == "Differences":
            self.show_lines(list(stop_lines.differences(report)), stay=stay)
            return
        if stop is None:
            self.show_lines([Line("The code runs no command.", "dim")], stay=False)
            return
        makers: tuple[Callable[[], Iterable[Line]], ...] = (
            lambda: stop_lines.variables(stop, self._before, self._level, self.glyphs.open),
            lambda: stop_lines.step(stop, report),
            lambda: stop_lines.conversation(stop),
            lambda: stop_lines.state(stop),
        )
        self.show_lines(list(makers[self.tab]()), stay=stay)
