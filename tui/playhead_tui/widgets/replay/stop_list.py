"""The stops of a replay as a list: journal entry, step, result."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import ClassVar

from playhead.replay import Stop
from rich.segment import Segment
from textual.binding import BindingType

from playhead_tui.drawing.cells import cell, fit
from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.drawing.palette import Palette
from playhead_tui.widgets.replay.journal_strip import kind_of
from playhead_tui.widgets.rows import MOVES, RowsView

__all__ = ["StopList"]

SHORT = 300


class StopList(RowsView[Stop], inherit_bindings=False):
    """One stop per line; the cursor is the playhead."""

    BINDINGS: ClassVar[list[BindingType]] = MOVES

    def __init__(self, *, glyphs: Glyphs = UNICODE, widget_id: str | None = None) -> None:
        super().__init__(widget_id=widget_id, glyphs=glyphs)
        self._breakpoints: frozenset[int] = frozenset()

    def mark_breakpoints(self, positions: Collection[int]) -> None:
        """Mark the stops at these positions."""
        self._breakpoints = frozenset(positions)
        self.refresh()

    def key_of(self, row: Stop) -> str:
        """Return the ordinal of the command in the run."""
        return str(row.command_index)

    def draw_head(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the column headings."""
        yield Segment(fit("   ENTRY  STEP", width), palette.dim)

    def draw_row(self, row: Stop, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw mark, journal entry, step and result."""
        differs = row.differs
        mark, ink = " ", palette.dim
        if differs:
            mark, ink = "≠" if self.glyphs.eighths else "!", palette.bad
        elif self._places[self.key_of(row)] in self._breakpoints:
            mark, ink = self.glyphs.status["running"], palette.warn
        yield Segment(f"{mark}  ", ink)
        entry = self.glyphs.none if row.journal_index is None else row.place
        yield cell(entry, 5, palette.dim, right=True)
        kind = kind_of(row)
        yield Segment(f"  {self.glyphs.kind[kind]} ", palette.kind(kind))
        room = max(8, width - 12)
        text = row.failure or ""
        if row.failure is None and row.result is not None:
            text = json.dumps(row.result, ensure_ascii=False, default=str)[:SHORT]
        name = min(len(row.title) + 1, room if not text else max(room // 2, room - len(text)))
        ellipsis = self.glyphs.ellipsis
        yield cell(row.title, name, palette.bad if differs else palette.text, ellipsis=ellipsis)
        style = palette.dim if row.failure is None else palette.bad
        yield cell(text, room - name, style, ellipsis=ellipsis)
