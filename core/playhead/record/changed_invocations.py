"""The invocations that changed on the server since they were copied, found at low cost."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from playhead.restate.client import RestateClient
from playhead.restate.queries import quote
from playhead.store.arrow import ArrowTable
from playhead.store.journal_writer import CopyProgress

__all__ = ["ChangedInvocations"]

SHORTEST_PAUSE_SECONDS = 0.4
LONGEST_PAUSE_SECONDS = 10.0
SCAN_SHARE = 20
"""Time between scans, as a multiple of a scan's duration minus that of a cheap query."""
FULL_SECONDS = 300.0
"""Interval between comparisons of all invocations, instead of only the recently modified ones."""
LOOK_SECONDS = 1.0
TURN_SECONDS = 10.0
"""Time within which the server is asked once whether it still has each unfinished invocation."""
MOST_LOOKED_AT = 1000
"""Number of them in one question; more take longer than that."""
SECOND_COPY_SECONDS = 1.0
"""Delay of a second copy: a failure is visible here before its journal event exists."""
NEWEST = 500
"""Number of changed invocations that are copied before all others."""
OVERLAP_MS = 10_000
"""Tolerated difference between the clocks of a cluster's nodes."""

# sys_invocation_state has only the running and retried invocations: a query is cheap at any number
# of stored ones. A scan of sys_invocation_status costs about 0.9 ms per 1,000 invocations.
_ACTIVE = (
    "SELECT id, retry_count, in_flight, arrow_cast(last_start_at, 'Int64') AS started, "
    "arrow_cast(next_retry_at, 'Int64') AS retry, last_failure FROM sys_invocation_state"
)
_SCAN = (
    "SELECT id, arrow_cast(modified_at, 'Int64') AS modified, journal_size AS entries, status "
    "FROM sys_invocation_status"
)


class ChangedInvocations:
    """A comparison of the server with the store's copies."""

    def __init__(
        self,
        client: RestateClient,
        copied: dict[str, CopyProgress],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start from the copies in the store.

        Args:
            client: The server.
            copied: Progress by invocation id, which the caller updates.
            clock: Monotonic time in seconds.
        """
        self._query: Callable[[str], Awaitable[ArrowTable]] = client.query_arrow  # pyright: ignore[reportUnknownMemberType]
        self._copied = copied
        self._clock = clock
        self.cluster = ""
        """Cluster of the server."""
        self._newest_ms = 0
        self.ended: dict[str, int] = {}
        """Times of change of those found that have ended, which have all their events."""
        self.compared = 0
        """Number of invocations that the last search compared."""
        self._active: dict[str, tuple[Any, ...]] = {}
        self._second_copies: dict[str, float] = {}
        self._hinted: set[str] = set()
        self._unfinished: dict[str, None] = {}
        """Invocations that had not ended when they were found, the next to look at first."""
        self._next_look = 0.0
        self._next_scan = 0.0
        self._next_full = 0.0
        self._cheap_seconds = 0.0
        self.scan_seconds = 0.0
        """Duration of the last scan, which determines when the next one is due."""

    def scan_now(self) -> None:
        """Compare all invocations in the next round, after a failed one."""
        self._next_scan = self._next_full = 0.0
        self._active = {}

    def switch(self, cluster: str) -> None:
        """Compare all invocations in the next round, of another cluster."""
        self.cluster = cluster
        self._newest_ms = 0
        self._second_copies = {}
        self.scan_now()

    def hint(self, invocation_ids: Iterable[str]) -> None:
        """Include these in the next search: something else shows that they have changed."""
        for id_ in invocation_ids:
            known = self._copied.get(id_)
            if known is None or not known.final:
                self._hinted.add(id_)

    async def find_active(self) -> list[str]:
        """Return the ids to copy among the active and the hinted ones, without a scan.

        Raises:
            RestateError: The server does not answer.
        """
        return list(await self._active_changes())

    async def find(self) -> list[str]:
        """Return the ids to copy: those that something shows to change now, then the newest.

        Of many, the others follow by id, as the server stores them: neighbors cost it half as much.

        Raises:
            RestateError: The server does not answer.
        """
        self.ended, self.compared = {}, 0
        vanished = await self._vanished()  # before the search, which adds what is not copied yet
        changed = vanished | await self._active_changes()
        if self._clock() >= self._next_scan:
            changed |= await self._status_changes()
        ids = sorted(changed, key=lambda id_: -changed[id_] if changed[id_] else -math.inf)
        return ids[:NEWEST] + sorted(ids[NEWEST:])

    async def _active_changes(self) -> dict[str, int]:
        started = self._clock()
        table = await self._query(_ACTIVE)
        self._cheap_seconds = self._clock() - started
        rows: list[tuple[Any, ...]] = list(
            zip(*(column.to_pylist() for column in table.columns), strict=True)
        )
        now = {row[0]: row[1:] for row in rows}
        # An invocation that left the invoker has ended, or is suspended or paused.
        changed = {
            id_ for id_ in self._active.keys() | now.keys() if self._active.get(id_) != now.get(id_)
        }
        self._active = now
        time_now = self._clock()
        due = {id_ for id_, at in self._second_copies.items() if at <= time_now}
        hinted, self._hinted = self._hinted, set()
        for id_ in due:
            del self._second_copies[id_]
        self._second_copies |= dict.fromkeys(changed, time_now + SECOND_COPY_SECONDS)
        self._unfinished |= dict.fromkeys(changed)
        return dict.fromkeys(changed | due | hinted, 0)

    async def _status_changes(self) -> dict[str, int]:
        started = self._clock()
        sql = _SCAN
        full = started >= self._next_full
        if not full:
            since = self._newest_ms - OVERLAP_MS
            sql += f" WHERE arrow_cast(modified_at, 'Int64') >= {since}"
        before = self.scan_seconds
        table = await self._query(sql)
        self.scan_seconds = self._clock() - started
        # A server that was away makes one scan look expensive; the next one shows its cost.
        cost = min(self.scan_seconds, before or self.scan_seconds) - self._cheap_seconds
        pause = min(max(SHORTEST_PAUSE_SECONDS, SCAN_SHARE * cost), LONGEST_PAUSE_SECONDS)
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
                or not known.is_of(self.cluster)
                or known.modified_ms != (modified or 0)
                or (status == "completed" and not known.final)
                or (entries or 0) > known.entries
            ):
                changed[id_] = modified or 0
                if status == "completed":
                    self.ended[id_] = modified or 0
                else:
                    self._unfinished[id_] = None
        self.compared = table.num_rows
        if full:
            # Copying them finds out whether the server really no longer has them.
            have = set(table.column("id").to_pylist())
            unfinished = {
                id_: known.modified_ms
                for id_, known in self._copied.items()
                if not known.final and known.is_of(self.cluster)
            }
            changed |= {id_: at for id_, at in unfinished.items() if id_ not in have}
            self._unfinished |= dict.fromkeys(unfinished)
        return changed

    async def _vanished(self) -> dict[str, int]:
        """Return unfinished invocations that the server has deleted, of which no scan knows.

        One that is not kept after its end, or is purged at once, may end between two searches.
        """
        now = self._clock()
        if now < self._next_look:
            return {}
        self._next_look = now + LOOK_SECONDS
        number = math.ceil(len(self._unfinished) * LOOK_SECONDS / TURN_SECONDS)
        ids = list(itertools.islice(self._unfinished, min(number, MOST_LOOKED_AT)))
        asked: dict[str, int] = {}
        for id_ in ids:
            del self._unfinished[id_]
            known = self._copied.get(id_)
            if known and not known.final and known.is_of(self.cluster):
                self._unfinished[id_] = None  # behind the others
                if id_ not in self._active:
                    asked[id_] = known.modified_ms
        if not asked:
            return {}
        listed = ", ".join(map(quote, asked))
        table = await self._query(f"SELECT id FROM sys_invocation_status WHERE id IN ({listed})")
        return {id_: asked[id_] for id_ in asked.keys() - set(table.column("id").to_pylist())}
