"""The header of a replay: target, app, position, verdict."""

from __future__ import annotations

from playhead.replay import Report, Stop, Verdict, headline
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from playhead_tui.drawing.cells import clip, fit
from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.drawing.palette import Palette, palette_of

__all__ = ["ReplayHeader"]


def verdict_mark(verdict: Verdict, glyphs: Glyphs) -> str:
    """Return the mark of a verdict, which is drawn beside its name."""
    return {
        "same": glyphs.status["succeeded"],
        "diverged": glyphs.status["failed"],
        "blocked": glyphs.status["cancelled"],
        "incomplete": glyphs.status["suspended"],
        "refused": glyphs.status["cancelled"],
        "invalid": glyphs.status["failed"],
    }[verdict]


def verdict_style(verdict: Verdict, palette: Palette) -> Style:
    """Return the style of a verdict."""
    return {
        "same": palette.good,
        "diverged": palette.bad,
        "blocked": palette.warn,
        "incomplete": palette.wait,
        "refused": palette.bad,
        "invalid": palette.bad,
    }[verdict]


class ReplayHeader(Widget):
    """Two lines: target, app and position; the verdict."""

    DEFAULT_CSS = """
    ReplayHeader { height: 2; background: $panel; }
    """

    def __init__(self, *, glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs
        self._target = self._app = self._place = ""
        self._report: Report | None = None
        self._activity = ""

    def show_replay(
        self, *, target: str, app: str, place: str, report: Report | None, activity: str = ""
    ) -> None:
        """Show the target, the position of the playhead, and the activity or the verdict."""
        self._target, self._app, self._place = clip(target), clip(app), place
        self._report, self._activity = report, activity
        self.refresh()

    @staticmethod
    def place_of(stop: Stop | None, position: int, total: int) -> str:
        """Return the position of the playhead as text."""
        if stop is None:
            return "no stops"
        entry = "not in the journal" if stop.journal_index is None else stop.place
        return f"{position + 1} of {total}, {entry}"

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        palette = palette_of(self)
        width = self.size.width
        strip = Strip(self._first(palette, width) if y == 0 else self._second(palette, width))
        return strip.adjust_cell_length(width).apply_style(self.rich_style)

    def _first(self, palette: Palette, width: int) -> list[Segment]:
        right = Segment(f"{self._place} ", palette.text)
        path = f" replay {self.glyphs.crumb} "
        name = Segment(self._target, palette.strong)
        with_app = Segment(f"  {self._app}", palette.dim)
        room = width - len(path) - right.cell_length - 1
        if name.cell_length + with_app.cell_length > room:
            with_app = Segment("")
            name = Segment(fit(self._target, room, ellipsis=self.glyphs.ellipsis), palette.strong)
        gap = room + 1 - name.cell_length - with_app.cell_length
        return [Segment(path, palette.dim), name, with_app, Segment(" " * max(0, gap)), right]

    def _second(self, palette: Palette, width: int) -> list[Segment]:
        if self._activity:
            return [Segment(f" {self.glyphs.status['running']} {self._activity}", palette.accent)]
        if self._report is None:
            return []
        style = verdict_style(self._report.verdict, palette)
        word, _, rest = clip(headline(self._report)).partition(":")
        mark = verdict_mark(self._report.verdict, self.glyphs)
        head = Segment(f" {mark} {word}", palette.strong + style)
        room = width - head.cell_length - 1
        tail = fit(f":{rest}", room, ellipsis=self.glyphs.ellipsis) if rest else ""
        return [head, Segment(tail, palette.text)]
