"""The run as a strip of marks, with the playhead above it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from playhead.decode.registry import decode_run
from playhead.model import StepKind
from playhead.replay import Stop
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from playhead_tui.drawing.cells import clip, fit
from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.drawing.palette import Palette, palette_of

__all__ = ["JournalStrip", "kind_of"]

KINDS: dict[str, StepKind] = {
    "GetState": "state", "GetStateKeys": "state", "SetState": "state", "ClearState": "state",
    "ClearAllState": "state", "Sleep": "sleep", "Call": "call", "OneWayCall": "send",
    "CompleteAwakeable": "awakeable", "GetPromise": "promise", "PeekPromise": "promise",
    "CompletePromise": "promise", "SendSignal": "signal", "AttachInvocation": "attach",
    "GetInvocationOutput": "attach", "Output": "output",
}  # fmt: skip


def kind_of(stop: Stop) -> StepKind:
    """Return the kind of the step that the code is about to run."""
    if stop.asks_model:
        return "llm"
    if stop.type == "Run":
        return decode_run(stop.name, None, has_result=False).kind
    return KINDS.get(stop.type, "other")


class JournalStrip(Widget):
    """Three lines: the playhead, one mark per stop, and marks for differences and breakpoints.

    Only the part around the playhead is drawn.
    """

    DEFAULT_CSS = """
    JournalStrip { height: 3; background: $surface; }
    """

    class Picked(Message):
        """Posted when a mark was clicked."""

        def __init__(self, position: int) -> None:
            super().__init__()
            self.position = position

    def __init__(self, *, glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs
        self._stops: Sequence[Stop] = ()
        self._position = 0
        self._breakpoints: frozenset[int] = frozenset()

    def show_stops(
        self, stops: Sequence[Stop], position: int, breakpoints: Collection[int]
    ) -> None:
        """Show the stops, with the playhead and the breakpoints at these positions."""
        self._stops, self._position = stops, position
        self._breakpoints = frozenset(breakpoints)
        self.refresh()

    @property
    def _pitch(self) -> int:
        """Distance between two marks, in cells."""
        return 2 if len(self._stops) * 2 <= self._room else 1

    @property
    def _room(self) -> int:
        return max(1, self.size.width - 2)

    @property
    def _window(self) -> range:
        """Positions of the stops that are drawn."""
        most = max(1, self._room // self._pitch)
        first = max(0, min(self._position - most // 2, len(self._stops) - most))
        return range(first, min(len(self._stops), first + most))

    def on_click(self, event: events.Click) -> None:
        """Pick the stop under the mouse."""
        place = (event.x - 1) // self._pitch
        window = self._window
        if 0 <= place < len(window):
            self.post_message(self.Picked(window[place]))

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        palette = palette_of(self)
        width = self.size.width
        if not self._stops:
            return Strip.blank(width, self.rich_style)
        segments = (self._head, self._marks, self._badges)[y](palette) if y < 3 else []
        strip = Strip([Segment(" "), *segments])
        return strip.adjust_cell_length(width).apply_style(self.rich_style)

    def _head(self, palette: Palette) -> list[Segment]:
        """Draw the playhead, with the title of its stop on the side that has room."""
        stop = self._stops[self._position]
        window = self._window
        column = (self._position - window.start) * self._pitch
        mark = Segment("▼" if self.glyphs.eighths else "v", palette.strong + palette.accent)
        title = clip(f"{self.glyphs.kind[kind_of(stop)]} {stop.title}")
        name = palette.strong + palette.kind(kind_of(stop))
        right = self._room - column - 2
        if right >= min(len(title), 30):
            shown = fit(title, right, ellipsis=self.glyphs.ellipsis)
            return [Segment(" " * column), mark, Segment(" "), Segment(shown, name)]
        shown = fit(title, max(0, column - 1), right=True, ellipsis=self.glyphs.ellipsis)
        return [Segment(shown, name), Segment(" " * min(1, column)), mark]

    def _marks(self, palette: Palette) -> list[Segment]:
        segments: list[Segment] = []
        for position in self._window:
            stop = self._stops[position]
            kind = kind_of(stop)
            style = palette.kind(kind)
            if stop.failure is not None or stop.divergences:
                style = palette.bad
            if position == self._position:
                style = palette.strong + style + palette.cursor
            segments.append(Segment(self.glyphs.kind[kind], style))
            if self._pitch > 1:
                segments.append(Segment(" "))
        return segments

    def _badges(self, palette: Palette) -> list[Segment]:
        window = self._window
        differs = "≠" if self.glyphs.eighths else "!"
        segments: list[Segment] = []
        for position in window:
            stop = self._stops[position]
            text, style = " ", Style()
            if stop.differs:
                text, style = differs, palette.bad
            elif position in self._breakpoints:
                text, style = self.glyphs.status["running"], palette.warn
            elif stop.failure is not None:
                text, style = self.glyphs.failure, palette.bad
            segments.append(Segment(text.ljust(self._pitch), style))
        return self._with_rest(segments, window, palette)

    def _with_rest(self, segments: list[Segment], window: range, palette: Palette) -> list[Segment]:
        """Overlay the numbers of stops that are not drawn, to the left and right."""
        strip = Strip(segments)
        if window.start:
            text = f"{self.glyphs.crumb} {window.start} before "
            strip = Strip([Segment(text, palette.dim), *strip.crop(len(text))])
        after = len(self._stops) - window.stop
        if after:
            text = f" {after} after {self.glyphs.crumb}"
            visible = strip.crop(0, max(0, strip.cell_length - len(text)))
            strip = Strip([*visible, Segment(text, palette.dim)])
        return list(strip)
