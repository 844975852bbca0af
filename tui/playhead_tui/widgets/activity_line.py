"""Invocations that were started and that failed a minute, as one line of bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from playhead.formatting import count, sparkline
from playhead.model import Activity
from rich.segment import Segment
from rich.style import Style

from playhead_tui.drawing.palette import Palette
from playhead_tui.widgets.drawn_line import DrawnLine

__all__ = ["ActivityLine"]

LEAST = 10
"""Least number of minutes that are drawn."""


class ActivityLine(DrawnLine):
    """One bar a minute, the current one last; both kinds have their own scale."""

    DEFAULT_CSS = """
    ActivityLine { height: 1; display: none; }
    """

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__()
        self.ascii_only = ascii_only
        self.activity: Activity | None = None

    def show_activity(self, activity: Activity | None) -> None:
        """Show these numbers; None if they are not known."""
        if activity != self.activity:
            self.activity = activity
            self.refresh()

    def draw(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the bars, if there is room for some."""
        found = self.activity
        if found is None:
            return []
        # Labels, the numbers and the spaces around two rows of bars take 50 cells at most.
        minutes = min(len(found.started), (width - 50) // 2)
        if minutes < LEAST:
            return []
        started, failed = found.started[-minutes:], found.failed[-minutes:]
        return [
            Segment("  started a minute ", palette.dim),
            *self._bars(started, palette.accent, palette),
            Segment(f" {count(sum(started))}", palette.text),
            Segment("  failed ", palette.dim),
            *self._bars(failed, palette.bad, palette),
            Segment(f" {count(sum(failed))}", palette.bad if sum(failed) else palette.text),
            Segment(f"  in {minutes} min", palette.dim),
        ]

    def _bars(self, numbers: Sequence[int], style: Style, palette: Palette) -> Iterator[Segment]:
        """Yield one bar a number, and a faint mark for 0."""
        for bar in sparkline(numbers, ascii_only=self.ascii_only):
            zero = "_" if self.ascii_only else "·"
            yield Segment(zero, palette.faint) if bar == " " else Segment(bar, style)
