"""Reads that keep the list close to the server, at a cost that does not depend on what is stored.

Two kinds of reads, each with its own pace: what has changed on the server, in one request, a few
times a second; figures from the store, for rows that have changed. The request for changes names
the rows in view and some of the others in turn, whose deletion nothing else would show, and
includes the last modified invocations as often as the scan for these permits.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from playhead.model import Invocation

from playhead_tui.interfaces import InvocationReader
from playhead_tui.sources.invocation_cache import InvocationCache

__all__ = ["TURN_SECONDS", "FiguresUpdate", "LiveRows", "RowsUpdate", "scan_pause"]

ROWS = 200
"""Maximum number of rows that one round reads by id."""
SCANNED = 500
"""Maximum number of last modified invocations that a scan returns."""
OVERLAP = timedelta(seconds=10)
"""Tolerated difference between the clocks of a cluster's nodes."""
TURN_SECONDS = 10.0
"""Time within which each row out of view is looked at once, unless there are thousands of them."""
SCAN_PERIOD = 0.75
"""Seconds from one scan to the next while a scan takes at most a quarter of that."""
LEAST_PAUSE = 0.3
SLACK = 0.1
"""Seconds by which a scan may be early, to share a request."""
RECENT = 20
"""Number of scans whose shortest duration stands for the cost of one."""


def scan_pause(took: float, cost: float) -> float:
    """Return the pause after a scan.

    A scan that costs a few milliseconds is repeated three times a second. One that costs more
    has a period of 0.75 s, and scans take at most a quarter of the time.

    Args:
        took: Seconds that this scan took; more than its cost while the machine is busy.
        cost: Seconds that a scan takes without waiting, such as the least of the last ones.
    """
    return max(LEAST_PAUSE, 3 * cost, min(20 * cost, SCAN_PERIOD - took))


@dataclass(frozen=True)
class RowsUpdate:
    """Rows read by id."""

    asked: float
    """When the search for changes started, monotonic."""
    started: float
    """When the read of the rows started, monotonic."""
    answered: bool
    """Whether the server answered every query."""
    scanned: bool = False
    """Whether the last modified invocations were searched for."""
    rows: tuple[Invocation, ...] = ()
    gone: tuple[str, ...] = ()
    """Ids that neither source has any more."""


@dataclass(frozen=True)
class FiguresUpdate:
    """Rows with figures from the store."""

    started: float
    """When the read started, monotonic."""
    rows: tuple[Invocation, ...] = ()
    more: bool = False
    """Whether more rows wanted their figures than one round reads."""


class LiveRows:
    """Decides which rows of a cache to read, and reads them."""

    def __init__(self, cache: InvocationCache, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache = cache
        self._clock = clock
        self._active: Mapping[str, Mapping[str, Any]] = {}
        self._wanted: dict[str, None] = {}
        """Ids to read that did not fit into a round, or were named by a hint."""
        self._stale_figures: dict[str, None] = {}
        self._newest: datetime | None = None
        self._took: deque[float] = deque(maxlen=RECENT)
        self._next_scan = 0.0
        self._turn: list[str] = []
        """Ids of rows that are still to be looked at in this turn."""
        self._per_second = 0.0
        """Number of rows to look at in a second, so that the turn ends in time."""
        self._looked_at = clock()

    def want(self, ids: Iterable[str]) -> None:
        """Read these in the next round, because they may have changed."""
        self._wanted.update(dict.fromkeys(ids))

    def want_figures(self, ids: Iterable[str]) -> None:
        """Read the figures of these in the next round of figures."""
        self._stale_figures.update(dict.fromkeys(ids))

    def wants_figures(self, ids: Iterable[str]) -> bool:
        """Return whether the figures of any of these are still to be read."""
        return any(id_ in self._stale_figures for id_ in ids)

    def pause_after_scan(self, took: float) -> float:
        """Return the pause after a scan that took this many seconds."""
        self._took.append(took)
        return scan_pause(took, min(self._took))

    def pause(self, seconds: float) -> float:
        """Return the pause before the next read of changes: a scan that is due is not late.

        Args:
            seconds: The longest pause.
        """
        left = self._next_scan - self._clock()
        reads = max(1, math.ceil((left - SLACK) / seconds))
        return min(seconds, left / reads) if left > seconds else seconds

    async def read_changed(self, reader: InvocationReader, in_view: Sequence[str]) -> RowsUpdate:
        """Read the rows that changed: active ones, those in view, and the last modified ones.

        The last modified ones are left out while a scan for them is not due.

        Args:
            reader: The source.
            in_view: Ids of the rows on screen, most important first.
        """
        asked = self._clock()
        scans = asked >= self._next_scan - SLACK
        since = self._newest - OVERLAP if self._newest else None
        watched = list(dict.fromkeys([*in_view, *self._cache.least_recent(self._active)]))[:ROWS]
        in_turn = self._in_turn(asked)
        watched = list(dict.fromkeys([*watched, *in_turn]))
        try:
            found = await reader.server_changes(
                watched, newest=SCANNED if scans else 0, since=since
            )
        except Exception:
            found = None
        if scans:
            now = self._clock()
            self._next_scan = now + self.pause_after_scan(now - asked)
        if found is None:
            self._turn += in_turn
            return RowsUpdate(asked, asked, answered=False, scanned=scans)
        active, modified = found.active, found.modified
        # An invocation that left the invoker has ended, or is suspended or paused.
        moved = [
            id_
            for id_ in self._active.keys() | active.keys()
            if self._active.get(id_) != active.get(id_)
        ]
        self._active = active
        self.want(id_ for id_ in moved if self._cache.get(id_) or self._cache.is_new(id_))
        self.want(id_ for id_ in active if self._cache.is_new(id_))
        self.want(
            id_
            for id_ in watched
            if (row := self._cache.get(id_)) and (row.origin == "live") != (id_ in modified)
        )
        self.want(id_ for id_, at in modified.items() if self._cache.is_new(id_, at))
        if found.newest:
            self._newest = max(found.newest.values())
        self.want(id_ for id_, at in found.newest.items() if self._cache.is_new(id_, at))
        return await self._read_wanted(reader, asked, in_view, scanned=scans)

    def _in_turn(self, now: float) -> list[str]:
        """Return the next rows to look at, as many as the time since the last ones demands."""
        if not self._turn:
            self._turn = self._cache.live_ids
            self._per_second = len(self._turn) / TURN_SECONDS
        wanted = math.ceil((now - self._looked_at) * self._per_second)
        self._looked_at = now
        number = max(0, min(wanted, ROWS))
        found, self._turn = self._turn[:number], self._turn[number:]
        if len(found) < number:  # the next turn begins at once
            self._turn = self._cache.live_ids
            rest = number - len(found)
            found, self._turn = found + self._turn[:rest], self._turn[rest:]
        return found

    async def read_figures(self, reader: InvocationReader, in_view: Sequence[str]) -> FiguresUpdate:
        """Read the rows whose figures are out of date; without any, those in view."""
        wanted = list(self._stale_figures)[:ROWS] or list(in_view)
        more = len(self._stale_figures) > ROWS
        started = self._clock()
        for id_ in wanted:
            self._stale_figures.pop(id_, None)
        ids = [id_ for id_ in wanted if self._cache.get(id_) or self._cache.is_new(id_)]
        if not ids:
            return FiguresUpdate(started)
        page = await reader.refresh(ids, figures=True)
        if not page.sources:
            self.want_figures(ids)
        return FiguresUpdate(started, page.rows, more and bool(page.sources))

    async def _read_wanted(
        self, reader: InvocationReader, asked: float, first: Sequence[str], *, scanned: bool
    ) -> RowsUpdate:
        ids = [id_ for id_ in first if id_ in self._wanted]
        ids = list(dict.fromkeys([*ids, *self._wanted]))[:ROWS]
        started = self._clock()
        if not ids:
            return RowsUpdate(asked, started, answered=True, scanned=scanned)
        for id_ in ids:
            del self._wanted[id_]
        page = await reader.refresh(ids)
        if not page.sources:
            self.want(ids)
            return RowsUpdate(asked, started, answered=False, scanned=scanned)
        read = {row.id for row in page.rows}
        gone = tuple(id_ for id_ in ids if id_ not in read)
        return RowsUpdate(asked, started, True, scanned, page.rows, gone)
