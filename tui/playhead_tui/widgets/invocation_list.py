"""The list of invocations, in columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from playhead.formatting import (
    HEADINGS,
    age,
    attempts,
    cost,
    count,
    duration,
    elapsed,
    reason,
    seconds_between,
    tokens,
)
from playhead.model import Invocation
from rich.segment import Segment
from rich.style import Style

from playhead_tui.drawing.cells import cell, fit
from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.drawing.palette import Palette
from playhead_tui.sources.list_query import ListQuery
from playhead_tui.widgets.rows import RowsView

__all__ = ["InvocationList"]

STATUS_WIDTH = 14
TARGET_LEAST = 8
FIGURES = {"age": 5, "duration": 9, "attempts": 9, "llm_calls": 10, "tokens": 9, "cost": 9}
"""Columns of figures, with their width: the heading and the mark of the sort key fit."""
WIDE = {"llm_calls": 90, "cost": 100}
"""Width from which a column is shown."""
REASON_FROM = 110
"""Width from which the reason has a column. Below it, the reason of an invocation that makes no
progress takes the place of the figures after its age."""


class InvocationList(RowsView[Invocation]):
    """One invocation per line; the columns fit the width."""

    def __init__(
        self, *, now: Callable[[], datetime], glyphs: Glyphs = UNICODE, widget_id: str | None = None
    ) -> None:
        super().__init__(widget_id=widget_id, glyphs=glyphs)
        self.now = now
        self.list_query = ListQuery()
        self.as_of: datetime | None = None
        """Time up to which durations grow, when the rows are older than the clock; else None."""

        self.marked: dict[str, Invocation] = {}
        """The marked invocations by id, also those that the filter hides."""
        self._last_mark: str | None = None
        self._priced = False

    def show_rows(self, rows: Sequence[Invocation], *, stay_at_top: bool = False) -> None:
        """Show rows; the cost has a column if the price of any model is known."""
        self._priced = any(row.cost is not None and row.cost.usd for row in rows)
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

    def clear_marks(self) -> None:
        """Remove all marks."""
        self.marked.clear()
        self._last_mark = None
        self.refresh()

    def key_of(self, row: Invocation) -> str:
        """Return the invocation id."""
        return row.id

    def _figures(self, width: int) -> list[str]:
        """Return the columns of figures that fit."""
        hidden = () if self._priced or self.list_query.sort == "cost" else ("cost",)
        names = [n for n in FIGURES if width >= WIDE.get(n, 0) and n not in hidden]
        room = width - STATUS_WIDTH - 1 - TARGET_LEAST
        while names and sum(FIGURES[name] + 1 for name in names) > room:
            names.pop()
        return names

    def _widths(self, width: int) -> tuple[int, int]:
        """Return the cells for the target and for the reason."""
        rest = width - STATUS_WIDTH - 1 - sum(FIGURES[name] + 1 for name in self._figures(width))
        if width < REASON_FROM:
            return max(TARGET_LEAST, rest), 0
        target = min(44, max(28, rest // 2))
        return target, rest - target - 2

    def draw_head(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the column headings; the sort key is marked."""
        target, room = self._widths(width)
        yield self._heading("status", STATUS_WIDTH + 1, palette)
        yield self._heading("target", target, palette)
        for name in self._figures(width):
            yield self._heading(name, FIGURES[name] + 1, palette, right=True)
        if room:
            yield Segment(fit(f"  {HEADINGS['reason']}", room + 2), palette.dim)

    def _heading(self, name: str, width: int, palette: Palette, *, right: bool = False) -> Segment:
        order = self.list_query.order
        if order.sort != name:
            return Segment(fit(HEADINGS[name], width, right=right), palette.dim)
        mark = self.glyphs.ascending if order.ascending else self.glyphs.descending
        return Segment(fit(HEADINGS[name] + mark, width, right=right), palette.strong)

    def draw_row(self, row: Invocation, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw status, target, figures and reason."""
        target, room = self._widths(width)
        mark = self.glyphs.status[row.status]
        yield Segment(fit(f"{mark} {row.status}", STATUS_WIDTH + 1), palette.status(row.status))
        yield from self._target(row, target, palette)
        figures = self._figures(width)
        if row.waiting and not room:
            room = sum(FIGURES[name] + 1 for name in figures if name != "age") - 2
            figures = [name for name in figures if name == "age"]
        for name in figures:
            text, style = self._figure(row, name, palette)
            style = style if text else palette.faint
            yield Segment(fit(text or self.glyphs.none, FIGURES[name] + 1, right=True), style)
        if room > 0:
            yield Segment("  ")
            yield cell(
                reason(row), room, self._reason_style(row, palette), ellipsis=self.glyphs.ellipsis
            )

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
        now = self.now()
        match name:
            case "age":
                return age(row.created_at, now), palette.dim
            case "duration":
                took = seconds_between(row.created_at, row.completed_at or self.as_of or now)
                text = elapsed(row, now) if row.ended else duration(took)
                return text, palette.dim if row.ended else palette.text
            case "attempts":
                repeated = row.attempts_at_least - (row.suspensions or 0) > 1
                return attempts(row), palette.warn if repeated else palette.dim
            case "llm_calls":
                style = palette.llm if row.llm_calls else palette.dim
                return count(row.llm_calls, unknown=""), style
            case "cost":
                return cost(row.cost, unknown=""), palette.text
            case _:
                return tokens(row.tokens, unknown=""), palette.text
