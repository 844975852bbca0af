"""Which invocations of the server have changed since they were copied, found cheaply."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from playhead.restate.client import RestateClient
from playhead.store.arrow import ArrowTable
from playhead.store.journal_writer import CopyProgress

__all__ = ["Changes"]

LEAST_SECONDS = 0.4
MOST_SECONDS = 10.0
SCAN_SHARE = 50
"""The time between scans, as a multiple of what a scan takes longer than a cheap query."""
FULL_SECONDS = 300.0
"""How often everything is compared instead of only what the clock says is newer."""
AGAIN_SECONDS = 1.0
"""An invoker's failure shows here before its journal event does: such are copied once more."""
OVERLAP_MS = 10_000
"""Clocks of a cluster's nodes may differ by this much."""

# sys_invocation_state holds what the invokers run or retry now: cheap at any number of stored
# invocations. A scan over sys_invocation_status costs about 0.9 ms a 1,000 stored.
_ACTIVE = (
    "SELECT id, retry_count, in_flight, arrow_cast(last_start_at, 'Int64') AS started, "
    "arrow_cast(next_retry_at, 'Int64') AS retry, last_failure FROM sys_invocation_state"
)
_SCAN = (
    "SELECT id, arrow_cast(modified_at, 'Int64') AS modified, journal_size AS entries, status "
    "FROM sys_invocation_status"
)


class Changes:
    """Compares the server with what has been copied; keeps one small record an invocation."""

    def __init__(
        self,
        client: RestateClient,
        copied: dict[str, CopyProgress],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start from what the store holds (updated in place as copies are made)."""
        self._ask: Callable[[str], Awaitable[ArrowTable]] = client.query_arrow  # pyright: ignore[reportUnknownMemberType]
        self._copied = copied
        self._clock = clock
        self._newest_ms = 0
        self._active: dict[str, tuple[Any, ...]] = {}
        self._again: dict[str, float] = {}
        self._next_scan = 0.0
        self._next_full = 0.0
        self._cheap_seconds = 0.0
        self.scan_seconds = 0.0
        """How long the last scan took, which paces the next one."""

    def scan_now(self) -> None:
        """Compare everything at the next round: the last one came to nothing."""
        self._next_scan = self._next_full = 0.0
        self._active = {}

    async def find(self) -> list[str]:
        """Ids to copy, oldest change first. Raises RestateError."""
        changed = await self._active_changes()
        if self._clock() >= self._next_scan:
            changed |= await self._status_changes()
        return sorted(changed, key=lambda id_: changed[id_])

    async def _active_changes(self) -> dict[str, int]:
        started = self._clock()
        table = await self._ask(_ACTIVE)
        self._cheap_seconds = self._clock() - started
        rows: list[tuple[Any, ...]] = list(
            zip(*(column.to_pylist() for column in table.columns), strict=True)
        )
        now = {row[0]: row[1:] for row in rows}
        # What has left the invoker has ended, suspended, or paused.
        changed = {
            id_ for id_ in self._active.keys() | now.keys() if self._active.get(id_) != now.get(id_)
        }
        self._active = now
        time_now = self._clock()
        due = {id_ for id_, at in self._again.items() if at <= time_now}
        for id_ in due:
            del self._again[id_]
        self._again |= dict.fromkeys(changed, time_now + AGAIN_SECONDS)
        return dict.fromkeys(changed | due, 0)

    async def _status_changes(self) -> dict[str, int]:
        started = self._clock()
        sql = _SCAN
        full = started >= self._next_full
        if not full:
            since = self._newest_ms - OVERLAP_MS
            sql += f" WHERE arrow_cast(modified_at, 'Int64') >= {since}"
        table = await self._ask(sql)
        self.scan_seconds = self._clock() - started
        cost = self.scan_seconds - self._cheap_seconds
        pause = min(max(LEAST_SECONDS, SCAN_SHARE * cost), MOST_SECONDS)
        self._next_scan = self._clock() + pause
        if full:
            self._next_full = self._clock() + FULL_SECONDS
        changed: dict[str, int] = {}
        columns = (
            table.column(name).to_pylist() for name in ("id", "modified", "entries", "status")
        )
        for id_, modified, entries, status in zip(*columns, strict=True):
            self._newest_ms = max(self._newest_ms, modified or 0)
            known = self._copied.get(id_)
            if (
                known is None
                or known.modified_ms != (modified or 0)
                or (status == "completed" and not known.final)
                or (entries or 0) > known.entries
            ):
                changed[id_] = modified or 0
        return changed
