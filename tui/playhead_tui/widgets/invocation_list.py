"""The list of invocations, in columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from playhead.formatting import count, duration, seconds_between
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
NUMBERS = (("age", 5), ("duration", 8), ("attempts", 5), ("LLM calls", 5), ("tokens", 7))
HEADS = {"age": "AGE", "duration": "DURATION", "attempts": "TRIES", "LLM calls": "LLM",
         "tokens": "TOKENS"}  # fmt: skip
FAILURE_FROM = 104
"""Width from which the last failure has a column."""


class InvocationList(RowsView[Invocation]):
    """One invocation per line; the columns fit the width."""

    def __init__(
        self, *, now: Callable[[], datetime], glyphs: Glyphs = UNICODE, widget_id: str | None = None
    ) -> None:
        super().__init__(widget_id=widget_id, glyphs=glyphs)
        self.now = now
        self.list_query = ListQuery()

    def key_of(self, row: Invocation) -> str:
        """Return the invocation id."""
        return row.id

    def _widths(self, width: int) -> tuple[int, int]:
        """Return the cells for the target and for the last failure."""
        fixed = STATUS_WIDTH + sum(w + 1 for _, w in NUMBERS) + 2
        rest = width - fixed
        if width < FAILURE_FROM:
            return max(8, rest), 0
        target = min(44, max(28, rest // 2))
        return target, rest - target - 2

    def draw_head(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the column headings; the sort key is marked."""
        target, failure = self._widths(width)
        yield Segment(fit("STATUS", STATUS_WIDTH + 1), palette.dim)
        yield Segment(fit("TARGET", target), palette.dim)
        for name, wide in NUMBERS:
            sorted_by = self.list_query.sort == name
            mark = self.glyphs.ascending if self.list_query.reverse else self.glyphs.descending
            text = HEADS[name] if not sorted_by or name == "duration" else HEADS[name] + mark
            style = palette.strong if sorted_by else palette.dim
            yield Segment(fit(text, wide + 1, right=True), style)
        if failure:
            yield Segment(fit("  LAST FAILURE", failure + 2), palette.dim)

    def draw_row(self, row: Invocation, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw status, target, figures and last failure."""
        target, failure = self._widths(width)
        mark = self.glyphs.status[row.status]
        yield Segment(fit(f"{mark} {row.status}", STATUS_WIDTH + 1), palette.status(row.status))
        yield from self._target(row, target, palette)
        now = self.now()
        age = duration(seconds_between(row.created_at, now), coarse=True)
        long = duration(seconds_between(row.created_at, row.completed_at or now))
        running = not row.ended
        yield self._number(age, 5, palette.dim, palette)
        yield self._number(long, 8, palette.text if running else palette.dim, palette)
        tries = palette.warn if (row.attempts or 0) > 1 else palette.dim
        yield self._number(count(row.attempts, unknown=""), 5, tries, palette)
        llm_calls = palette.llm if row.llm_calls else palette.dim
        yield self._number(count(row.llm_calls, unknown=""), 5, llm_calls, palette)
        tokens = count(row.tokens.total if row.tokens else None, unknown="")
        yield self._number(tokens, 7, palette.text, palette)
        if failure:
            bad = palette.bad if row.status in ("failed", "killed") else palette.warn
            style = palette.dim if row.status == "succeeded" else bad
            yield Segment("  ")
            yield cell(row.last_failure or "", failure, style, ellipsis=self.glyphs.ellipsis)

    def _target(self, row: Invocation, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw service, key and handler; the service stands out."""
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

    def _number(self, text: str, width: int, style: Style, palette: Palette) -> Segment:
        """Draw a right-aligned number, or the mark for an unknown one."""
        style = style if text else palette.faint
        return Segment(fit(text or self.glyphs.none, width + 1, right=True), style)
