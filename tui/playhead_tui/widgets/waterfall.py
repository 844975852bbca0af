"""The timeline of one invocation: journal steps, spans and attempts as bars."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from playhead.conventions import MODEL_OPERATIONS, OPERATION, TOOL_OPERATION
from playhead.formatting import duration, row_result_line, seconds_between
from playhead.model import Attempt, PhaseKind, TimelineRow
from playhead.reader.invocation.nested import called_id
from playhead.reader.invocation.time_axis import Activity, Axis, executing, extent, is_waiting
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message

from playhead_tui.drawing.cells import cell, clip, fit
from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.drawing.palette import Palette, palette_of
from playhead_tui.timeline.bar_canvas import BarCanvas
from playhead_tui.timeline.folding import FoldedRow, fold, hide, unfolded
from playhead_tui.widgets.rows import RowsView

__all__ = ["Waterfall"]

TIME_WIDTH = 8
LEAST_BARS = 8
NARROW = 60
"""Width below which levels are indented by one cell instead of two."""
LEAST_RESULT = 8
"""Cells that the result of a step needs after its label."""
LOUD = re.compile(r"orphan|cycle|lost|not |stopped|^ends|, ends")
"""Notes that are drawn as warnings."""


def short_note(note: str, glyphs: Glyphs) -> str:
    """Return a note as one mark; the number of tries stays a number."""
    if note in glyphs.notes:
        return glyphs.notes[note]
    if note.startswith("try"):
        return note
    if note.endswith("tries"):
        return note.replace(" tries", glyphs.notes["tries"]).replace("≥ ", "≥")
    return glyphs.note if LOUD.search(note) else ""


class Waterfall(RowsView[FoldedRow]):
    """One bar per line; a band behind the bars marks every other attempt.

    The steps of a called invocation are shown in place, below the row that called it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l,right", "unfold", "Unfold, also a called invocation", show=False),
        Binding("h,left", "fold", "Fold, or go to the row above", show=False),
        Binding("t", "scale", "Cut idle time", show=False),
    ]

    class Expanded(Message):
        """Posted when called invocations are to be shown in place, or no longer."""

    def __init__(
        self, *, now: Callable[[], datetime], glyphs: Glyphs = UNICODE, widget_id: str | None = None
    ) -> None:
        super().__init__(widget_id=widget_id, glyphs=glyphs)
        self.now = now
        self.folded: set[str] = set()
        self.expanded: set[str] = set()
        """Keys of the rows below which the called invocation is shown."""
        self.cut_idle = True
        self._timeline: Sequence[TimelineRow] = ()
        self._activity = Activity(())
        self._unfolded: list[FoldedRow] = []
        self._attempts: Mapping[str | None, Sequence[Attempt]] = {}
        self._keep: Callable[[TimelineRow], bool] | None = None
        self._live = False
        self._axis_for: tuple[int, datetime] | None = None
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._over: datetime | None = None
        self._last_called: datetime | None = None
        self._open = False
        """Whether a called invocation has rows that have not ended."""
        self._shown = 0
        """Number of timelines so far: what the scale and the bands are computed from."""
        self._end = now()
        self._axis = Axis(self._end, self._end, 1)

    def on_unmount(self) -> None:
        """Let go of the rows."""
        self._timeline = self._rows = ()
        self._unfolded = []
        self._places = {}
        self._activity = Activity(())

    def key_of(self, row: FoldedRow) -> str:
        """Return the key of the timeline row."""
        return row.row.key

    def keys_of(self, rows: Sequence[FoldedRow]) -> Iterable[str]:
        """Return the keys of the timeline rows."""
        return [row.row.key for row in rows]

    def common_look(self) -> object:
        """Return the scale, which all bars depend on, and whether matches are marked."""
        self._set_end()
        scale = self._first, self._end, self.cut_idle
        return palette_of(self), self._shown, scale, self._keep is None

    @property
    def timeline(self) -> Sequence[TimelineRow]:
        """All rows, also those that are folded or do not match."""
        return self._timeline

    def show_timeline(
        self,
        timeline: Sequence[TimelineRow],
        attempts: Mapping[str | None, Sequence[Attempt]],
        *,
        live: bool,
        over: datetime | None = None,
        keep: Callable[[TimelineRow], bool] | None,
    ) -> None:
        """Show a timeline.

        Args:
            timeline: the rows.
            attempts: the attempts, for the bands behind the bars, by the id of the called
                invocation; None for the invocation's own.
            live: whether open bars grow until now.
            over: the end of the invocation; None while it has not ended.
            keep: whether a row matches the filter; None without a filter.
        """
        if timeline is not self._timeline or attempts != self._attempts:
            self._shown += 1
        self._attempts, self._live, self._keep = attempts, live, keep
        self._over = over
        self._axis_for = None
        if timeline is not self._timeline:
            self._measure(timeline)
        self._set_end()
        self._fold()

    def _measure(self, timeline: Sequence[TimelineRow]) -> None:
        """Compute what depends on the rows alone."""
        self._timeline = timeline
        self._activity = Activity(timeline)
        self._unfolded = unfolded(timeline)
        self._first, self._last = extent(timeline)
        called = [row for row in timeline if row.invocation_id]
        self._last_called = extent(called)[1]
        self._open = any(
            row.ended_at is None and row.started_at and row.state in ("pending", "retrying")
            for row in called
        )

    def _fold(self) -> None:
        if self._keep is None:
            self.show_rows(hide(self._unfolded, self.folded))
        else:
            self.show_rows(fold(self._timeline, self.folded, self._keep))

    # The scale.

    def _set_end(self) -> None:
        """Fix the right edge for one frame: all lines share one scale."""
        now = self.now()
        if self._over is not None:
            # A called invocation may end later.
            self._end = max(self._over, self._last_called or self._over)
            if self._open:
                self._end = max(self._end, now)
        else:
            self._end = max(self._last or now, now) if self._live else self._last or now

    def _scale(self, width: int) -> Axis:
        if self._axis_for != (width, self._end):
            start = self._first or self._end
            gaps = self._activity.idle(start, self._end) if self.cut_idle else []
            self._axis = Axis(start, self._end, width, gaps)
            self._axis_for = (width, self._end)
        return self._axis

    def _widths(self, width: int) -> tuple[int, int]:
        label = max(18, min(60, width * 2 // 5), min(30, width - LEAST_BARS - TIME_WIDTH - 1))
        return label, max(LEAST_BARS, width - label - TIME_WIDTH - 1)

    def draw_head(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw round times above the bars, and marks for cut time."""
        self._set_end()
        label, bars = self._widths(width)
        yield Segment(fit("TIMELINE", label), palette.dim)
        axis = self._scale(bars)
        canvas = BarCanvas(bars, self.glyphs)
        cuts = [(int(axis.at(begin)), int(axis.at(end))) for begin, end in axis.cuts]
        for column, seconds in axis.ticks():
            text = "0" if seconds == 0 else duration(seconds).replace(".0s", "s")
            text = text.replace(" 00s", "")
            after = column + len(text)
            in_cut = any(column <= right and left < after for left, right in cuts)
            if after <= bars and not in_cut:
                canvas.put(column, text, palette.dim)
        for (begin, end), (left, right) in zip(axis.cuts, cuts, strict=True):
            text = f"{self.glyphs.cut}{duration(end - begin, coarse=True)}"
            canvas.put(left, " " * (right - left + 1), palette.dim)
            shown = text if len(text) <= right - left else self.glyphs.cut
            canvas.put(left, fit(shown, right - left), palette.wait)
        yield from canvas.segments()
        yield Segment(fit("TIME", TIME_WIDTH + 1, right=True), palette.dim)

    # The rows.

    def draw_row(self, row: FoldedRow, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw label, bar and duration; a notice takes the whole line."""
        if row.row.kind == "notice":
            yield from self._label(row, width, palette)
            return
        label, bars = self._widths(width)
        yield from self._label(row, label, palette)
        canvas = BarCanvas(bars, self.glyphs)
        self._draw_bar(row.row, canvas, self._scale(bars), palette)
        yield from canvas.segments()
        item = row.row
        end = item.ended_at or (self._end if item.state != "done" else item.started_at)
        took = seconds_between(item.started_at, end) if item.ran is None else item.ran
        text = duration(took) or self.glyphs.none
        style = palette.bad if item.state == "failed" else palette.dim
        yield Segment(fit(text, TIME_WIDTH + 1, right=True), style)

    def _label(self, row: FoldedRow, width: int, palette: Palette) -> Iterable[Segment]:
        item = row.row
        indent = min(item.depth * (1 if self.size.width < NARROW else 2), width // 2)
        marker = " "
        if row.has_children:
            marker = self.glyphs.folded if row.folded else self.glyphs.unfolded
        yield Segment(" " * indent + marker + " ", palette.faint)
        mark, style = self._mark(item, palette)
        yield Segment(mark + " ", style)
        left = width - indent - 4
        if item.state in ("failed", "retrying"):
            style = palette.bad if item.state == "failed" else palette.warn
        else:
            style = palette.text if item.kind == "step" else palette.dim
        if self._keep is not None and row.match:
            style += palette.match
        label, note = clip(item.label), self._note(item, left)
        result = f"{self.glyphs.arrow} {text}" if (text := self._result(item)) else ""
        answered = item.step is not None and item.step.llm is not None
        if result and answered and cell_len(label) + 1 + cell_len(result) > left - len(note):
            label = ""  # the mark shows that it is a model
        yield cell(label, min(cell_len(label), left - len(note)), style,
                   ellipsis=self.glyphs.ellipsis)  # fmt: skip
        rest = left - len(note) - min(cell_len(label), left - len(note))
        if result and rest > LEAST_RESULT:
            gap = 1 if label else 0
            room = min(cell_len(result), rest - gap)
            yield Segment(" " * gap)
            yield cell(result, room, palette.dim if label else style,
                       ellipsis=self.glyphs.ellipsis)  # fmt: skip
            rest -= room + gap
        quiet = item.note is None or not LOUD.search(item.note)
        yield Segment(note + " " * rest, palette.dim if quiet else palette.warn)

    def _result(self, item: TimelineRow) -> str:
        """Return what a model answered or a tool returned."""
        return clip(row_result_line(item))

    def _note(self, item: TimelineRow, room: int) -> str:
        """Return the row's notes as words, or as marks where the words do not fit."""
        if not item.note:
            return ""
        if cell_len(clip(item.label)) + len(item.note) < room:
            return f" {item.note}"
        marks = (short_note(word, self.glyphs) for word in item.note.split(", "))
        return f" {''.join(marks)}"[: room // 2]

    def _mark(self, item: TimelineRow, palette: Palette) -> tuple[str, Style]:
        if item.state == "failed":
            return self.glyphs.failure, palette.bad
        if item.state == "retrying":
            return self.glyphs.status["backing-off"], palette.warn
        if item.state in ("lost", "unfinished"):
            return self.glyphs.states[item.state], palette.warn
        if item.kind == "attempt":
            return self.glyphs.attempt, palette.dim
        if item.step:
            return self.glyphs.kind[item.step.kind], palette.kind(item.step.kind)
        return self.glyphs.span, palette.dim

    def _ink(self, item: TimelineRow, palette: Palette) -> Style:
        if item.step:
            return palette.kind(item.step.kind)
        operation = item.span.attributes.get(OPERATION) if item.span else None
        if operation in MODEL_OPERATIONS:
            return palette.llm
        return palette.tool if operation == TOOL_OPERATION else palette.dim

    def _lanes(self, palette: Palette) -> Mapping[PhaseKind, tuple[str, Style]]:
        """Return mark and style of the phases of an invocation."""
        glyphs = self.glyphs
        return {
            "scheduled": (glyphs.queued, palette.faint),
            "queued": (glyphs.queued, palette.dim),
            "running": (glyphs.lane, palette.text),
            "suspended": (glyphs.suspended, palette.wait),
            "backoff": (glyphs.backoff, palette.warn),
        }

    def _draw_bar(self, item: TimelineRow, canvas: BarCanvas, axis: Axis, palette: Palette) -> None:
        for attempt in self._attempts.get(item.invocation_id, ()):
            if attempt.number % 2:
                canvas.band(axis.x(attempt.started_at),
                             axis.x(attempt.ended_at or self._end), palette.band)  # fmt: skip
        for phase in item.phases:
            mark, style = self._lanes(palette)[phase.kind]
            begin, end = axis.x(phase.started_at), axis.x(phase.ended_at or self._end)
            canvas.fill(begin, end, mark, style)
        if item.started_at is None:
            return
        left = axis.x(item.started_at)
        right = axis.x(item.ended_at or (self._end if item.state != "done" else item.started_at))
        failing = item.state == "failed"
        ink = palette.bad if failing else self._ink(item, palette)
        if item.kind == "attempt":
            canvas.fill(left, right, self.glyphs.lane, palette.bad if failing else palette.text)
        elif item.failed_tries or item.gaps:
            canvas.fill(left, right, self.glyphs.backoff, palette.warn)
            for begin, end in executing(item, self._end):
                if not any(start <= end and begin <= stop for start, stop in item.failed_tries):
                    canvas.bar(axis.x(begin), axis.x(end), ink)
            for begin, end in item.failed_tries:
                canvas.fill(axis.x(begin), axis.x(end), self.glyphs.failed, palette.bad)
        elif is_waiting(item):
            canvas.fill(left, right, self.glyphs.rule, ink)
        else:
            canvas.bar(left, right, ink)
        if item.ended_at is None and item.state in ("pending", "retrying"):
            tip = palette.warn if item.state == "retrying" else ink
            canvas.put(min(int(right), axis.width - 1), self.glyphs.open, tip)

    # Keys.

    def action_unfold(self) -> None:
        """Show the row's children, or those of the invocation it called, or go to the first."""
        row = self.current
        if row and row.folded and row.row.key in self.folded:
            self.folded.discard(row.row.key)
            self._fold()
        elif row and row.folded:
            self.expanded.add(row.row.key)
            self.post_message(self.Expanded())
        elif row and row.has_children:
            self.action_move(1)

    def action_fold(self) -> None:
        """Hide the row's children, or go to its parent."""
        row = self.current
        if row is None:
            return
        if row.row.key in self.expanded and called_id(row.row) is not None:
            self.expanded.discard(row.row.key)
            self.post_message(self.Expanded())
            return
        if row.has_children and not row.folded and self._keep is None:
            self.folded.add(row.row.key)
            self._fold()
            return
        for place in range(self.place - 1, -1, -1):
            if self.rows[place].row.depth < row.row.depth:
                self.action_move(place - self.place)
                return

    def action_scale(self) -> None:
        """Cut idle time, or draw all time to scale."""
        self.cut_idle = not self.cut_idle
        self._axis_for = None
        self.refresh()
