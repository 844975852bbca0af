"""The timeline as lines of text with bars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from playhead import formatting
from playhead.cli.output import STYLES, paint

if TYPE_CHECKING:
    from rich.text import Text

    from playhead.model import TimelineRow

__all__ = ["bar", "waterfall"]

BAR = 30
RESULT_LENGTH = 60
_LABEL = 44
_TIMES = 20
_UNICODE = {"done": "━", "failed": "━", "try": "╳", "backoff": "┄", "open": "╌", "dot": "╸"}
_ASCII = {"done": "=", "failed": "=", "try": "x", "backoff": ".", "open": "-", "dot": "|"}
_MARKS = {
    "done": "✓", "failed": "✗", "pending": "…", "retrying": "↻", "interrupted": "⇥", "lost": "‡",
    "unfinished": "⊣",
}  # fmt: skip
_ASCII_MARKS = {
    "done": "+", "failed": "x", "pending": "~", "retrying": "r", "interrupted": "i", "lost": "!",
    "unfinished": "]",
}  # fmt: skip


def waterfall(
    rows: Sequence[TimelineRow],
    since: datetime,
    *,
    ascii_only: bool = False,
    width: int | None = None,
    over: datetime | None = None,
    now: datetime | None = None,
) -> list[Text]:
    """Return a line for each row: state, label, bar, start and duration.

    Args:
        rows: The timeline.
        since: Origin of the start times.
        ascii_only: Draw with ASCII characters only.
        width: Maximum number of columns; labels and line ends are cut. None for no limit.
        over: End of the invocation, where the axis ends; None while it has not ended.
        now: End of open bars; by default, the current time.
    """
    now = over or now or datetime.now(UTC)
    times = [t for row in rows for t in (row.started_at, row.ended_at) if t]
    first, last = min(times, default=since), over or max(times, default=since)
    if any(row.ended_at is None and row.started_at for row in rows):
        last = max(last, now)
    marks = _ASCII_MARKS if ascii_only else _MARKS
    column = _LABEL if width is None else max(min(_LABEL, width - BAR - _TIMES), 16)
    lines: list[Text] = []
    for row in rows:
        room = max(column - 2 * row.depth, 8)
        label = formatting.one_line(_label(row), room if width else None)
        style = STYLES.get(row.state, "") if row.state != "done" else ""
        line = paint("  " * row.depth)
        line.append_text(paint(marks[row.state] + " ", STYLES.get(row.state, "")))
        line.append_text(paint(label.ljust(room), "bold" if row.kind == "attempt" else style))
        line.append_text(paint(" "))
        line.append_text(paint(bar(row, first, last, now, ascii_only=ascii_only), style or "cyan"))
        line.append_text(paint(_times(row, since), "dim"))
        if row.note:
            line.append_text(paint(f"  ({row.note})", "yellow"))
        if width:
            line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return lines


def bar(
    row: TimelineRow,
    first: datetime,
    last: datetime,
    now: datetime,
    *,
    width: int = BAR,
    ascii_only: bool = False,
) -> str:
    """Draw the row's bar on a scale from `first` to `last`; a bar shorter than a cell is a dot."""
    glyphs = _ASCII if ascii_only else _UNICODE
    start, end = row.started_at or row.ended_at, row.ended_at or now
    if start is None:
        return " " * width
    whole = (last - first).total_seconds() or 1e-9

    def place(at: datetime) -> int:
        return min(max(int((at - first).total_seconds() / whole * width), 0), width - 1)

    left, right = place(start), place(end)
    cells = [" "] * width
    body = glyphs["open"] if row.ended_at is None else glyphs["done"]
    for cell in range(left, right + 1):
        cells[cell] = body if right > left else glyphs["dot"]
    for begin, finish in row.gaps:
        for cell in range(place(begin), place(finish or end) + 1):
            cells[cell] = glyphs["backoff"]
    for begin, finish in row.failed_tries:
        for cell in range(place(begin), place(finish) + 1):
            cells[cell] = glyphs["try"]
    if row.gaps and row.ended_at and row.state == "done":
        cells[right] = glyphs["dot"]
    return "".join(cells)


def _label(row: TimelineRow) -> str:
    step = row.step
    if step is None:
        return row.label
    result = formatting.result_line(step, RESULT_LENGTH)
    return formatting.step_label(step) + (f" → {result}" if result else "")


def _times(row: TimelineRow, since: datetime) -> str:
    start = row.started_at or row.ended_at
    if start is None:
        return ""
    took = ""
    if row.started_at:
        seconds = formatting.seconds_between(row.started_at, row.ended_at)
        took = formatting.duration(seconds if row.ran is None else row.ran)
        took = f" {took or 'so far'}"
    return f" +{formatting.duration((start - since).total_seconds())}{took}"
