"""The timeline as lines of text with bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from playhead import formatting
from playhead.cli.output import STYLES, paint

if TYPE_CHECKING:
    from rich.text import Text

    from playhead.model import TimelineRow
    from playhead.reader.invocation.time_axis import Axis

__all__ = ["waterfall"]

BAR = 30
_BAR_LEAST = 8
RESULT_LENGTH = 60
_LABEL = 44
_LABEL_LEAST = 14
_LABEL_MOST = 160
"""Columns for labels where the width has no limit, so that the bars are below each other."""
_TIMES = 20
_MARK = 3
"""Columns of the mark, and of the gap before the bar."""
_UNICODE = {"done": "━", "failed": "━", "try": "╳", "backoff": "┄", "open": "╌", "dot": "╸",
            "suspended": "·", "queued": "░", "scheduled": "░", "cut": "⋯"}  # fmt: skip
_ASCII = {"done": "=", "failed": "=", "try": "x", "backoff": ".", "open": "-", "dot": "|",
          "suspended": "_", "queued": ":", "scheduled": ":", "cut": "/"}  # fmt: skip
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
    from rich.cells import cell_len

    from playhead.reader.invocation.time_axis import Axis, extent, idle

    first, last = extent(rows)
    first = first or since
    end = max(over or first, last or first)
    if any(row.ended_at is None and row.started_at for row in rows):
        end = max(end, over or now or datetime.now(UTC))
    bar = BAR
    glyphs = _ASCII if ascii_only else _UNICODE
    marks = _ASCII_MARKS if ascii_only else _MARKS
    if width is None:
        widest = (2 * row.depth + cell_len(formatting.one_line(_label(row))) for row in rows)
        column = max(_LABEL, min(max(widest, default=0), _LABEL_MOST))
    else:
        times = max((cell_len(_times(row, since)) for row in rows), default=0)
        bar = max(_BAR_LEAST, min(BAR, width - _MARK - _LABEL_LEAST - times))
        column = max(min(_LABEL, width - bar - max(times + _MARK, _TIMES)), _LABEL_LEAST)
    axis = Axis(first, end, bar, idle(rows, first, end))
    lines: list[Text] = []
    if axis.cuts:
        lines.append(paint(" " * (column + 3) + _cut_marks(axis, glyphs["cut"]), "dim"))
    for row in rows:
        indent = min(2 * row.depth, column - 8)
        room = column - indent
        label = formatting.one_line(_label(row), room if width else None)
        style = STYLES.get(row.state, "") if row.state != "done" else ""
        line = paint(" " * indent)
        line.append_text(paint(marks[row.state] + " ", STYLES.get(row.state, "")))
        line.append_text(
            paint(
                label + " " * (room - cell_len(label)), "bold" if row.kind == "attempt" else style
            )
        )
        line.append_text(paint(" "))
        line.append_text(paint(_bar(row, axis, end, glyphs), style or "cyan"))
        line.append_text(paint(_times(row, since), "dim"))
        if row.note:
            line.append_text(paint(f"  ({row.note})", "yellow"))
        if width:
            line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return lines


def _cut_marks(axis: Axis, mark: str) -> str:
    """Return the length of each cut above its place."""
    cells = [" "] * axis.width
    for begin, end in axis.cuts:
        left, right = int(axis.at(begin)), max(int(axis.at(begin)) + 1, int(axis.at(end)))
        text = f"{mark}{formatting.duration(end - begin, coarse=True)}"
        shown = text if len(text) <= right - left else mark
        cells[left:right] = list(shown.ljust(right - left))
    return "".join(cells)[: axis.width]


def _bar(row: TimelineRow, axis: Axis, now: datetime, glyphs: Mapping[str, str]) -> str:
    """Draw the row's bar; a bar shorter than a cell is a dot."""
    cells = [" "] * axis.width

    def place(at: datetime) -> int:
        return min(int(axis.x(at)), axis.width - 1)

    def fill(begin: datetime, end: datetime, mark: str) -> None:
        left, right = place(begin), place(end)
        cells[left : right + 1] = [mark] * (right + 1 - left)

    for phase in row.phases:
        fill(phase.started_at, phase.ended_at or now, glyphs[phase.kind])
    start = row.started_at or row.ended_at
    if start is None:
        return "".join(cells)
    left, right = place(start), place(row.ended_at or now)
    body = glyphs["open"] if row.ended_at is None else glyphs["done"]
    cells[left : right + 1] = [body if right > left else glyphs["dot"]] * (right + 1 - left)
    for begin, end in row.gaps:
        fill(begin, end or now, glyphs["backoff"])
    for begin, end in row.failed_tries:
        fill(begin, end, glyphs["try"])
    if row.gaps and row.ended_at and row.state == "done":
        cells[right] = glyphs["dot"]
    return "".join(cells)


def _label(row: TimelineRow) -> str:
    result = formatting.row_result_line(row, RESULT_LENGTH)
    label = row.label if row.step is None else formatting.step_label(row.step)
    return label + (f" → {result}" if result else "")


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
