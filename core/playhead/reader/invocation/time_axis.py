"""The scale from time to columns; long idle time can be cut, and every cut is marked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil

from playhead.model import TimelineRow
from playhead.reader.invocation.timeline import WAITING

__all__ = ["Activity", "Axis", "executing", "extent", "idle", "is_waiting"]

CUT_CELLS = 4.0
"""Width of a cut interval, if there are few."""
CUT_SHARE = 0.2
"""Intervals longer than this share of the time that is left are cut."""
CUT_SECONDS = 2.0
"""Minimum length of such an interval."""
LEAST_SECONDS = 1.0
"""Minimum length of intervals that are cut because together they are longer than the work."""

Interval = tuple[datetime, datetime]


def is_waiting(row: TimelineRow) -> bool:
    """Return whether the invocation only waits during this row."""
    return row.step is not None and row.step.kind in WAITING


def extent(rows: Iterable[TimelineRow]) -> tuple[datetime | None, datetime | None]:
    """Return the earliest and the latest time in some rows, those of their phases included."""
    first: datetime | None = None
    last: datetime | None = None
    for row in rows:
        times = (row.started_at, row.ended_at)
        if row.phases:
            times += tuple(at for p in row.phases for at in (p.started_at, p.ended_at))
        for at in times:
            if at is not None:
                first = at if first is None or at < first else first
                last = at if last is None or at > last else last
    return first, last


def executing(row: TimelineRow, end: datetime) -> list[Interval]:
    """Return the intervals between start and end of a row without its gaps.

    Args:
        row: a row of the timeline.
        end: time at which bars end that have not ended.
    """
    if row.started_at is None:
        return []
    found: list[Interval] = []
    reached = row.started_at
    for begin, finish in row.gaps:
        if begin > reached:
            found.append((reached, begin))
        reached = max(reached, finish or end)
    last = row.ended_at or (end if row.state != "done" else row.started_at)
    if last > reached or not found:
        found.append((reached, max(last, reached)))
    return found


class Activity:
    """The intervals in which a leaf row of a timeline is active."""

    def __init__(self, rows: Sequence[TimelineRow]) -> None:
        """Find the active rows, and join the intervals of those that have ended."""
        self._open: list[TimelineRow] = []
        ended: list[Interval] = []
        below = [*(row.depth for row in rows[1:]), -1]
        for row, next_depth in zip(rows, below, strict=False):
            if next_depth > row.depth or row.started_at is None or is_waiting(row):
                continue
            if row.kind in ("attempt", "notice"):
                continue
            if row.gaps or (row.ended_at is None and row.state != "done"):
                self._open.append(row)
            else:
                ended.append((row.started_at, row.ended_at or row.started_at))
        self._ended: list[Interval] = []
        for begin, finish in sorted(ended):
            if self._ended and begin <= self._ended[-1][1]:
                last = self._ended[-1]
                self._ended[-1] = (last[0], max(last[1], finish))
            else:
                self._ended.append((begin, finish))

    def idle(self, start: datetime, end: datetime) -> list[Interval]:
        """Return the intervals without an active row: backoff, sleeps, waiting."""
        busy = [*self._ended, *(part for row in self._open for part in executing(row, end))]
        found: list[Interval] = []
        reached = start
        for begin, finish in sorted(busy):
            if begin > reached:
                found.append((reached, begin))
            reached = max(reached, finish)
        if end > reached:
            found.append((reached, end))
        return found


def idle(rows: Sequence[TimelineRow], start: datetime, end: datetime) -> list[Interval]:
    """Return the intervals in which no leaf row is active: backoff, sleeps, waiting."""
    return Activity(rows).idle(start, end)


class Axis:
    """A piecewise linear scale over `width` cells."""

    def __init__(
        self, start: datetime, end: datetime, width: int, gaps: Iterable[Interval] = ()
    ) -> None:
        """Compute the scale.

        Args:
            start: time of the left edge.
            end: time of the right edge.
            width: width in cells.
            gaps: idle intervals; long ones are cut.
        """
        self.start = start
        self.width = max(1, width)
        self.total = max(1e-6, (end - start).total_seconds())
        spans = [((a - start).total_seconds(), (b - start).total_seconds()) for a, b in gaps]
        self.cuts = _cuts(spans, self.total, self.width // 2)
        cells = max(1.0, min(CUT_CELLS, self.width / 2 / max(1, len(self.cuts))))
        cut_time = sum(b - a for a, b in self.cuts)
        scale = (self.width - cells * len(self.cuts)) / max(1e-6, self.total - cut_time)
        self._times = [0.0]
        self._cells = [0.0]
        for a, b in self.cuts:
            self._add(a, (a - self._times[-1]) * scale)
            self._add(b, cells)
        self._add(self.total, (self.total - self._times[-1]) * scale)

    def _add(self, seconds: float, cells: float) -> None:
        self._times.append(seconds)
        self._cells.append(self._cells[-1] + cells)

    def at(self, seconds: float) -> float:
        """Return the distance from the left edge, in cells, at these seconds since the start."""
        seconds = max(0.0, min(seconds, self.total))
        place = max(1, min(bisect_right(self._times, seconds), len(self._times) - 1))
        before, after = self._times[place - 1], self._times[place]
        left, right = self._cells[place - 1], self._cells[place]
        part = (seconds - before) / (after - before) if after > before else 1.0
        return min(left + part * (right - left), float(self.width))

    def x(self, moment: datetime) -> float:
        """Return the distance from the left edge, in cells, of a point in time."""
        return self.at((moment - self.start).total_seconds())

    def ticks(self, room: int = 9) -> list[tuple[int, float]]:
        """Return column and seconds of round times, at least `room` cells apart, outside cuts."""
        cut_time = sum(b - a for a, b in self.cuts)
        step = _round_step((self.total - cut_time) * room / self.width)
        found: list[tuple[int, float]] = []
        edges = [0.0, *(edge for cut in self.cuts for edge in cut), self.total]
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            for number in range(ceil(begin / step - 1e-9), int(end / step + 1e-9) + 1):
                column = int(self.at(number * step))
                if not found or column - found[-1][0] >= room:
                    found.append((column, number * step))
        return found


def _cuts(
    gaps: Sequence[tuple[float, float]], total: float, most: int
) -> list[tuple[float, float]]:
    """Return the idle intervals to cut, the longest first until the work has enough room."""
    left, rest = total, sum(b - a for a, b in gaps)
    work = total - rest
    found: list[tuple[float, float]] = []
    for a, b in sorted(gaps, key=lambda gap: gap[0] - gap[1]):
        long = b - a > max(CUT_SECONDS, left * CUT_SHARE)
        if len(found) >= most or not (
            long or (b - a > LEAST_SECONDS and rest > max(work, CUT_SECONDS))
        ):
            break
        found.append((a, b))
        left -= b - a
        rest -= b - a
    return sorted(found)


def _round_step(seconds: float) -> float:
    """Return the next larger of 1, 2, 5 times a power of ten, or of round minutes and hours."""
    for step in (60, 120, 300, 600, 1800, 3600, 7200, 18000, 43200, 86400):
        if 30 < seconds <= step:
            return float(step)
    power = 1e-6
    while power * 10 < seconds:
        power *= 10
    return next(power * m for m in (1, 2, 5, 10) if power * m >= seconds * 0.999999)
