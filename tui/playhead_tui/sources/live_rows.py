"""Reads that keep the list close to the server, at a cost that does not depend on what is stored.

Three kinds of reads, each with its own pace: active rows and rows in view by id, a few times a
second; the ids of the last modified invocations, which the server has to scan for, about once a
second; figures from the store, for rows that have changed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from playhead.model import Invocation

from playhead_tui.interfaces import InvocationReader
from playhead_tui.sources.invocation_cache import InvocationCache

__all__ = ["FiguresUpdate", "LiveRows", "RowsUpdate", "scan_pause"]

ROWS = 200
"""Maximum number of rows that one round reads by id."""
SCANNED = 500
"""Maximum number of last modified invocations that a scan returns."""
OVERLAP = timedelta(seconds=10)
"""Tolerated difference between the clocks of a cluster's nodes."""
SCAN_PERIOD = 0.75
"""Seconds from one scan to the next while a scan takes at most a quarter of that."""
LEAST_PAUSE = 0.3
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
    rows: tuple[Invocation, ...] = ()
    gone: tuple[str, ...] = ()
    """Ids that neither source has any more."""


@dataclass(frozen=True)
class FiguresUpdate:
    """Rows with figures from the store."""

    started: float
    rows: tuple[Invocation, ...] = ()


class LiveRows:
    """Decides which rows of a cache to read, and reads them."""

    def __init__(self, cache: InvocationCache, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache = cache
        self._clock = clock
        self._active: dict[str, dict[str, Any]] = {}
        self._wanted: dict[str, None] = {}
        """Ids to read that did not fit into a round, or were named by a hint."""
        self._stale_figures: dict[str, None] = {}
        self._newest: datetime | None = None
        self._took: deque[float] = deque(maxlen=RECENT)

    def want(self, ids: Iterable[str]) -> None:
        """Read these in the next round, because they may have changed."""
        self._wanted.update(dict.fromkeys(ids))

    def want_figures(self, ids: Iterable[str]) -> None:
        """Read the figures of these in the next round of figures."""
        self._stale_figures.update(dict.fromkeys(ids))

    @property
    def figures_wanted(self) -> bool:
        """Whether figures are known to be out of date."""
        return bool(self._stale_figures)

    def pause_after_scan(self, took: float) -> float:
        """Return the pause after a scan that took this many seconds."""
        self._took.append(took)
        return scan_pause(took, min(self._took))

    async def read_changed(self, reader: InvocationReader, in_view: Sequence[str]) -> RowsUpdate:
        """Read the rows that changed among the active ones and those in view. Never scans.

        Args:
            reader: The source.
            in_view: Ids of the rows on screen, most important first.
        """
        asked = self._clock()
        watched = list(dict.fromkeys([*in_view, *self._cache.least_recent(self._active)]))[:ROWS]
        try:
            rows, modified = await asyncio.gather(reader.active(), reader.modified_of(watched))
        except Exception:
            return RowsUpdate(asked, asked, answered=False)
        active = {str(row["id"]): dict(row) for row in rows}
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
        return await self._read_wanted(reader, asked, first=in_view)

    async def scan(self, reader: InvocationReader) -> RowsUpdate:
        """Read the rows that were created or modified since the last scan."""
        asked = self._clock()
        since = self._newest - OVERLAP if self._newest else None
        try:
            modified = await reader.modified(since, SCANNED)
        except Exception:
            return RowsUpdate(asked, asked, answered=False)
        if modified is None:
            return RowsUpdate(asked, asked, answered=False)
        if modified:
            self._newest = max(modified.values())
        self.want(id_ for id_, at in modified.items() if self._cache.is_new(id_, at))
        return await self._read_wanted(reader, asked)

    async def read_figures(self, reader: InvocationReader, in_view: Sequence[str]) -> FiguresUpdate:
        """Read the figures that are out of date; without any, those of the rows in view."""
        wanted = list(self._stale_figures)[:ROWS] or list(in_view)
        started = self._clock()
        known = [id_ for id_ in wanted if self._cache.get(id_)]
        for id_ in wanted:
            self._stale_figures.pop(id_, None)
        if not known:
            return FiguresUpdate(started)
        return FiguresUpdate(started, (await reader.refresh(known, figures=True)).rows)

    async def _read_wanted(
        self, reader: InvocationReader, asked: float, first: Sequence[str] = ()
    ) -> RowsUpdate:
        ids = [id_ for id_ in first if id_ in self._wanted]
        ids = list(dict.fromkeys([*ids, *self._wanted]))[:ROWS]
        started = self._clock()
        if not ids:
            return RowsUpdate(asked, started, answered=True)
        for id_ in ids:
            del self._wanted[id_]
        page = await reader.refresh(ids)
        if not page.sources:
            self.want(ids)
            return RowsUpdate(asked, started, answered=False)
        read = {row.id for row in page.rows}
        gone = tuple(id_ for id_ in ids if id_ not in read)
        return RowsUpdate(asked, started, True, page.rows, gone)
