"""The first line of the list: the connections, and the invocations by status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from playhead.formatting import cost, count, tokens
from playhead.model import Cost, Invocation, Status, Tokens, Totals
from rich.segment import Segment

from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.drawing.palette import Palette
from playhead_tui.widgets.drawn_line import DrawnLine

__all__ = ["ListHeader"]

ORDER: tuple[Status, ...] = (
    "running", "backing-off", "paused", "suspended", "scheduled", "inboxed", "pending", "ready",
    "succeeded", "failed", "killed", "cancelled", "gone", "unknown",
)  # fmt: skip
ENDED = ("succeeded", "failed", "killed", "cancelled")
"""Statuses with many rows and well-known marks, which are drawn without their name."""


class ListHeader(DrawnLine):
    """Name, connections, and counts of the invocations that were read."""

    DEFAULT_CSS = """
    ListHeader { height: 1; background: $panel; }
    """

    def __init__(self, *, glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs
        self._labels: tuple[str, ...] = ()
        self._counts: Counter[Status] = Counter()
        self._more = False
        self._totals: Totals | None = None
        self._older: bool = False
        self._age = ""

    def show_labels(self, labels: Sequence[str]) -> None:
        """Show the connections."""
        self._labels = tuple(labels)
        self.refresh()

    def show_age(self, age: str) -> None:
        """Show how old the rows are; empty while they are fresh."""
        if age != self._age:
            self._age = age
            self.refresh()

    def show_counts(
        self,
        rows: Sequence[Invocation],
        totals: Totals | None,
        *,
        more: bool,
        older: bool = False,
    ) -> None:
        """Show the totals, or count the rows by status where totals are not known.

        Args:
            rows: the rows that were read.
            totals: totals of all invocations.
            more: whether there are older ones than the rows.
            older: whether a row has changed its status since the totals were counted.
        """
        whole = totals if more else None  # rows that were all read are a moment newer
        counts: Counter[Status] = Counter(
            whole.by_status if whole else (row.status for row in rows)
        )
        sums = totals if more else _with_sums(totals, rows)
        shown = (counts, more and whole is None, sums, older and whole is not None)
        if shown != (self._counts, self._more, self._totals, self._older):
            self._counts, self._more, self._totals, self._older = shown
            self.refresh()

    def _counters(self, palette: Palette, words: bool) -> list[Segment]:
        segments = [Segment(f"{self.glyphs.about} ", palette.warn)] if self._older else []
        for status in ORDER:
            if number := self._counts[status]:
                named = words and status not in ENDED
                text = f"{self.glyphs.status[status]} {number}" + (f" {status}" if named else "")
                segments += [Segment(text, palette.status(status)), Segment("  ")]
        total = sum(self._counts.values())
        if total:
            sign = "≥ " if self._totals and not self._totals.complete and not self._more else ""
            what = f"newest {count(total)}" if self._more else f"{sign}{count(total)} total"
            segments.append(Segment(f"{what} ", palette.dim))
        return segments

    def _sums(self, palette: Palette) -> list[Segment]:
        totals = self._totals
        if totals is None or not totals.llm_calls:
            return []
        price = f" {cost(totals.cost)}" if totals.cost and totals.cost.usd else ""
        return [Segment(f"{tokens(totals.tokens)} tokens{price} ", palette.dim)]

    def _whole(self, counters: list[Segment], room: int, palette: Palette) -> list[Segment]:
        """Leave out counters at the end that do not fit, with a sign: half a number is wrong."""
        if _length(counters) <= room:
            return counters
        while counters and _length(counters) > room - 1:
            counters = counters[:-1]
        return [*counters, Segment(self.glyphs.ellipsis, palette.dim)]

    def draw(self, width: int, palette: Palette) -> Iterable[Segment]:
        """Draw the connections and the counts."""
        left = [Segment(" Playhead", palette.accent + palette.strong)]
        if self._age:
            left.append(Segment(f"  {self._age}", palette.warn))
        kept = len(left)
        for label in self._labels:
            left.append(Segment(f"  {clip(label)}", palette.dim))
        right = self._counters(palette, words=True)
        if _length(left) + _length(right) + 2 > width:
            right = self._counters(palette, words=False)
        if _length(left) + _length(right) + 2 > width:
            left = left[:kept]
        right = self._whole(right, width - _length(left) - 1, palette)
        sums = self._sums(palette)
        if _length(left) + _length(right) + _length(sums) + 2 <= width:
            right += sums
        gap = max(1, width - _length(left) - _length(right))
        return [*left, Segment(" " * gap), *right]


def _with_sums(totals: Totals | None, rows: Sequence[Invocation]) -> Totals | None:
    """Return the totals with the sums of all rows, if their figures are known."""
    if totals is None or any(row.llm_calls is None for row in rows):
        return totals
    used = [row.tokens for row in rows if row.tokens]
    costs = [row.cost for row in rows if row.cost]
    usd = [cost.usd for cost in costs if cost.usd is not None]
    # Sums of numbers: one of objects would make as many as there are rows, at each change.
    return replace(
        totals,
        llm_calls=sum(row.llm_calls or 0 for row in rows),
        tokens=Tokens(sum(one.input for one in used), sum(one.output for one in used)),
        cost=Cost(sum(usd) if usd else None, sum(cost.unpriced_calls for cost in costs)),
    )


def _length(segments: Iterable[Segment]) -> int:
    return sum(segment.cell_length for segment in segments)
