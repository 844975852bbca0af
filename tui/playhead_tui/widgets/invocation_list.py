"""The list of invocations, in columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from playhead.columns import COLUMNS, NARROW_FIRST
from playhead.formatting import age, duration, known_seconds, reason, seconds_between
from playhead.model import Invocation
from rich.segment import Segment
from rich.style import Style

from playhead_tui.drawing.cells import cell, fit
from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.drawing.palette import Palette, palette_of
from playhead_tui.sources.list_query import ListQuery
from playhead_tui.widgets.rows import RowsView

__all__ = ["InvocationList"]

USUAL = (
    "status", "target", "age", "duration", "attempts", "llm_calls", "tokens", "cost", "reason",
)  # fmt: skip
"""Columns unless others were chosen."""
TARGET_LEAST = 8
TARGET_MOST = 44
REASON_LEAST = 8
EXACT_SECONDS = 10
"""Age up to which each second is shown."""
AGE_STEP = 5
"""Seconds by which older ages, up to a minute, change: they are rounded up to a multiple."""
STILL = ("status", "target", "reason", "attempts", "llm_calls", "tokens", "cost")
"""Columns that do not change with the time."""
CELLS_KEPT = 400
"""Number of rows whose cells are kept."""
AGES_KEPT_SECONDS = 0.5
"""Time for which ages stay as they were counted."""
_FIGURES = ("cost", "tokens", "llm_calls", "attempts", "duration", "age")
_LEFT_OUT = (
    "reason", *NARROW_FIRST[: NARROW_FIRST.index("llm_calls")], *_FIGURES,
    *NARROW_FIRST[NARROW_FIRST.index("handler") :],
)  # fmt: skip
"""Columns that are left out where there is no room, in this order."""
WIDE = {"llm_calls": 90, "cost": 100, "reason": 110}
"""Width from which a column is shown, unless columns were chosen.

Where the reason has no column, the reason of an invocation that makes no progress takes the place
of the figures after its age."""


class InvocationList(RowsView[Invocation]):
    """One invocation per line; the columns fit the width."""

    def __init__(
        self, *, now: Callable[[], datetime], glyphs: Glyphs = UNICODE, widget_id: str | None = None
    ) -> None:
        super().__init__(widget_id=widget_id, glyphs=glyphs)
        self.now = now
        self._at = now()
        """Time from which all ages on screen are counted, whichever lines are drawn again."""
        self.list_query = ListQuery()
        self.as_of: datetime | None = None
        """Time up to which durations grow, when the rows are older than the clock; else None."""

        self.marked: dict[str, Invocation] = {}
        """The marked invocations by id, also those that the filter hides."""
        self.chosen: tuple[str, ...] = ()
        """Columns that were chosen, in order; the usual ones if empty."""
        self._last_mark: str | None = None
        self._priced = False
        self._cells: dict[str, tuple[Invocation, object, dict[str, Sequence[Segment]]]] = {}
        """Cells that do not change with the time, by id, and what they were drawn from."""
        self._times: dict[str, tuple[Invocation, object, object]] = {}
        """Texts that change with the time, by id, and what they were made from."""

    def show_rows(self, rows: Sequence[Invocation], *, stay_at_top: bool = False) -> None:
        """Show rows; the cost has a column if the price of any model is known."""
        self._priced = any(row.cost is not None and row.cost.usd for row in rows)
        if self.marked:
            self.marked |= {row.id: row for row in rows if row.id in self.marked}
        super().show_rows(rows, stay_at_top=stay_at_top)

    def mark_of(self, row: Invocation) -> str:
        """Return the mark of a marked row."""
        return self.glyphs.marked if row.id in self.marked else " "

    def toggle_mark(self) -> None:
        """Mark the row under the cursor, or remove its mark, and go to the next row."""
        row = self.current
        if row is None:
            return
        if self.marked.pop(row.id, None) is None:
            self.marked[row.id] = row
        self._last_mark = row.id
        self.action_move(1)
        self.refresh()

    def mark_range(self) -> None:
        """Mark the rows from the last mark to the cursor; without one, the row."""
        row = self.current
        if row is None:
            return
        ids = [one.id for one in self.rows]
        start = ids.index(self._last_mark) if self._last_mark in ids else self.place
        first, last = sorted((start, self.place))
        self.marked |= {one.id: one for one in self.rows[first : last + 1]}
        self._last_mark = row.id
        self.refresh()

    def unmark(self, ids: Iterable[str]) -> None:
        """Remove the marks of these rows."""
        for one in ids:
            self.marked.pop(one, None)
        self.refresh()
        self.post_message(self.Moved(self))

    def clear_marks(self) -> None:
        """Remove all marks."""
        self.marked.clear()
        self._last_mark = None
        self.refresh()

    def refresh_changed(self) -> None:
        """Draw the lines again that look different now.

        Rows that are shown shortly after each other leave the ages: each age is a line to draw.
        """
        if self.seconds_since_refresh >= AGES_KEPT_SECONDS:
            self._at = self.now()
        super().refresh_changed()

    @property
    def seconds_since_refresh(self) -> float:
        """Seconds between now and the time from which the ages on screen are counted."""
        return abs((self.now() - self._at).total_seconds())

    def look_of(self, row: Invocation) -> object:
        """Return the texts of a row that change with the time.

        They are asked for when the row is shown, and when its line is drawn: at the same time.
        """
        known = self._times.get(row.id)
        counted = self._at, self.as_of
        if known is None or known[0] is not row or known[1] != counted:
            if len(self._times) > CELLS_KEPT:
                self._times.clear()
            running = "" if row.ended else self._duration(row, self._at)
            known = self._times[row.id] = row, counted, (self._age(row), running)
        return known[2]

    def common_look(self) -> object:
        """Return the columns, their widths and the order."""
        width = self.scrollable_content_region.width - 2
        return palette_of(self), self.list_query.order, tuple(self.layout_for(width).items())

    def key_of(self, row: Invocation) -> str:
        """Return the invocation id."""
        return row.id

    def keys_of(self, rows: Sequence[Invocation]) -> Iterable[str]:
        """Return the invocation ids."""
        return [row.id for row in rows]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to show where there is room for them."""
        return self.chosen or USUAL

    @property
    def shown_columns(self) -> Sequence[str]:
        """The columns on screen; all of them before the first layout."""
        width = self.scrollable_content_region.width
        return list(self.layout_for(width - 2)) if width else self.columns

    def layout_for(self, width: int) -> dict[str, int]:
        """Return the columns that fit, in order, with their cells without gaps.

        Those that matter least are left out first, but never the status, the target or the last
        one.
        """
        names = list(self.columns)
        if not self.chosen:
            hidden = () if self._priced or self.list_query.sort == "cost" else ("cost",)
            names = [n for n in names if width >= WIDE.get(n, 0) and n not in hidden]
        for name in _LEFT_OUT:
            if self._least(names) <= width or len(names) == 1:
                break
            if name in names:
                names.remove(name)
        widths = {name: COLUMNS[name].width for name in names}
        room = width - self._least(names)
        if "target" in names:
            rest = room + self._target_least(names)
            if "reason" in names:
                rest += REASON_LEAST
                widths["target"] = min(TARGET_MOST, max(self._target_least(names), rest // 2))
                widths["reason"] = rest - widths["target"]
            else:
                widths["target"] = max(TARGET_LEAST, rest)
        elif "reason" in names:
            widths["reason"] = room + REASON_LEAST
        return widths

    def _target_least(self, names: Sequence[str]) -> int:
        return COLUMNS["target"].width if "reason" in names else TARGET_LEAST

    def _least(self, names: Sequence[str]) -> int:
        """Return the cells that columns need at least, with their gaps."""
        flexible = {"target": self._target_least(names), "reason": REASON_LEAST}
        widths = [flexible.get(name, COLUMNS[name].width) for name in names]
        return sum(widths) + len(names) - 1 + ("reason" in names[1:])

    def draw_head(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the column headings; the sort key is marked."""
        order = self.list_query.order
        for place, (name, cells) in enumerate(self.layout_for(width).items()):
            yield Segment(_gap(name, place))
            text, style = COLUMNS[name].heading, palette.dim
            if order.sort == name:
                # The newest have the smallest ages.
                ascending = order.ascending != (name == "age")
                text += self.glyphs.ascending if ascending else self.glyphs.descending
                style = palette.strong
            yield Segment(fit(text, cells, right=COLUMNS[name].figure), style)

    def column_at(self, x: int, width: int) -> str:
        """Return the name of the column, to which the gap before it belongs."""
        end = 0
        for place, (name, cells) in enumerate(self.layout_for(width).items()):
            end += len(_gap(name, place)) + cells
            if x < end:
                return name
        return ""

    def draw_row(self, row: Invocation, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the columns; without one for the reason, it replaces figures."""
        layout = self.layout_for(width)
        inline = self._inline_reason(row, layout)
        cells_of = self._cells_of(row, (palette, tuple(layout.items())))
        for place, (name, cells) in enumerate(layout.items()):
            if inline and name in inline:
                if name == inline[0]:
                    room = sum(layout[one] + 1 for one in inline) - 2
                    yield Segment("  ")
                    yield self._reason(row, room, palette)
                continue
            drawn = cells_of.get(name)
            if drawn is None:
                drawn = (Segment(_gap(name, place)), *self._cell(row, name, cells, palette))
                if name in STILL or (name == "duration" and row.ended):
                    cells_of[name] = drawn
            yield from drawn

    def _cells_of(self, row: Invocation, frame: object) -> dict[str, Sequence[Segment]]:
        """Return the cells of a row that were drawn before and are the same now."""
        known = self._cells.get(row.id)
        if known is None or known[0] is not row or known[1] != frame:
            if len(self._cells) > CELLS_KEPT:
                self._cells.clear()
            known = self._cells[row.id] = row, frame, {}
        return known[2]

    def _inline_reason(self, row: Invocation, layout: dict[str, int]) -> Sequence[str]:
        """Return the last columns of figures, if they make room for the reason."""
        if not row.waiting or "reason" in layout or "reason" not in self.columns:
            return ()
        figures: list[str] = []
        for name in reversed(layout):
            if name == "age" or not COLUMNS[name].figure:
                break
            figures.insert(0, name)
        return figures

    def _cell(self, row: Invocation, name: str, cells: int, palette: Palette) -> Iterable[Segment]:
        match name:
            case "status":
                mark = self.glyphs.status[row.status]
                stored = "" if row.origin == "live" else self.glyphs.stored
                yield Segment(fit(f"{mark} {row.status}", cells - len(stored)),
                              palette.status(row.status))  # fmt: skip
                if stored:
                    yield Segment(stored, palette.dim)
            case "target":
                yield from self._target(row, cells, palette)
            case "reason":
                yield self._reason(row, cells, palette)
            case _ if not COLUMNS[name].figure:
                text = COLUMNS[name].text(row, self._at)
                style = palette.text if text else palette.faint
                text = text or self.glyphs.none
                yield cell(text, cells, style, ellipsis=self.glyphs.ellipsis)
            case _:
                text, style = self._figure(row, name, palette)
                style = style if text else palette.faint
                yield Segment(fit(text or self.glyphs.none, cells, right=True), style)

    def _reason(self, row: Invocation, cells: int, palette: Palette) -> Segment:
        style = self._reason_style(row, palette)
        return cell(reason(row), cells, style, ellipsis=self.glyphs.ellipsis)

    def _reason_style(self, row: Invocation, palette: Palette) -> Style:
        if row.status in ("failed", "killed"):
            return palette.bad
        if row.waiting and row.waiting.kind not in ("pause", "retry"):
            return palette.text
        return palette.dim if row.status == "succeeded" else palette.warn

    def _target(self, row: Invocation, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw service, key and handler; the service is highlighted."""
        dots = self.glyphs.ellipsis
        pieces: list[tuple[str, Style]] = [(row.service, palette.strong)]
        if row.key is not None:
            pieces.append((f"/{row.key}", palette.accent))
        pieces.append((f"/{row.handler}", palette.text))
        left = width
        for text, style in pieces:
            wanted = cell(text, len(text) * 2, style).text.rstrip() if left > 0 else ""
            segment = cell(wanted, left, style, ellipsis=dots)
            trimmed = segment.text.rstrip()
            piece = Segment(trimmed, style)
            left -= piece.cell_length
            yield piece
        yield Segment(" " * max(0, left))

    def _figure(self, row: Invocation, name: str, palette: Palette) -> tuple[str, Style]:
        """Return one figure as text, empty when it is unknown, and its style."""
        now = self._at
        text = COLUMNS[name].text(row, now)
        match name:
            case "duration" if not row.ended:
                return self._duration(row, now), palette.text
            case "age":
                return self._age(row), palette.dim
            case "attempts":
                repeated = row.attempts_at_least - (row.suspensions or 0) > 1
                return text, palette.warn if repeated else palette.dim
            case "llm_calls":
                return text, palette.llm if row.llm_calls else palette.dim
            case "cost" | "tokens":
                return text, palette.text
            case _:
                return text, palette.dim

    def _age(self, row: Invocation) -> str:
        """Return the age, rounded up to a step from some seconds to a minute.

        With exact ages, each line would have to be drawn again each second. Rounded up, an age
        never looks shorter than the duration beside it, nor than the age of a newer row.
        """
        seconds = max(self._took(row), (self._at - row.created_at).total_seconds())
        if EXACT_SECONDS < seconds < 60:
            return duration(math.ceil(seconds / AGE_STEP) * AGE_STEP, coarse=True)
        return age(row.created_at, self._at, took=self._took(row))

    def _took(self, row: Invocation) -> float:
        return known_seconds(row, self.as_of or self._at) or 0.0

    def _duration(self, row: Invocation, now: datetime) -> str:
        """Return how long an invocation has been running, as far as the server answered."""
        return duration(self._seconds(row, now))

    def _seconds(self, row: Invocation, now: datetime) -> float | None:
        return seconds_between(row.created_at, row.completed_at or self.as_of or now)


def _gap(name: str, place: int) -> str:
    """Return the cells between a column and the one before it."""
    return "" if place == 0 else "  " if name == "reason" else " "
