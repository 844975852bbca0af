"""Invocations of both sources, merged newest first, in blocks of bounded size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from playhead.model import Filters, Invocation, Origin
from playhead.model.filters import matches_words
from playhead.reader.live import LiveInvocations, Place
from playhead.reader.rows import invocation_of
from playhead.reader.stored import StoredInvocations

__all__ = ["BLOCK", "Merge", "gone"]

BLOCK = 2000
"""Rows that one read of a source returns at most.

The server refuses requests above 2 MB, which a list of 50,000 ids exceeds, and the time that it
takes for a row by id no longer falls above this number.
"""
PLACES = 100_000
"""Ids that the server lists at once: each list scans all its invocations, whatever its length."""

_T = TypeVar("_T")
_Rows = list[dict[str, Any]]


class Attempt(Protocol):
    """A function that awaits a read, and returns None when its source does not answer."""

    def __call__(self, read: Awaitable[_T] | None, /) -> Awaitable[_T | None]:
        """Await the read; None stands for a source that is absent."""
        ...


@dataclass
class Merge:
    """The merge of a live server and the store."""

    live: LiveInvocations | None
    stored: StoredInvocations | None
    attempt: Attempt
    answered: list[Origin] = field(default_factory=lambda: list[Origin]())
    """The sources that answered, once a block was read."""
    raw: dict[str, dict[str, Any]] = field(default_factory=lambda: dict[str, dict[str, Any]]())
    """The row of each invocation in a block, by id."""

    async def blocks(self, filters: Filters, wanted: int) -> AsyncIterator[list[Invocation]]:
        """Yield the newest invocations that match, newest first, each one once.

        Each source is read from the place down to which both are complete, so rows with equal
        times at the border of a block are neither lost nor repeated. The conditions are checked
        again on the merged rows: the store's copy of a row may be older than the server's.

        Args:
            filters: Conditions that the invocations meet.
            wanted: Number of invocations that are enough; the last block may have more.
        """
        listed: _Listed | None = _Listed(self.live) if self.live else None
        stored: StoredInvocations | None = self.stored
        fresh: tuple[_Rows, Place | None] | None
        copies: _Rows | None
        before, size, found = filters.before, min(wanted, BLOCK), 0
        while found < wanted and (listed or stored):
            part = replace(filters, before=before)
            fresh, copies = await asyncio.gather(
                self.attempt(listed.next(size, part, wanted - found) if listed else None),
                self.attempt(stored.newest(size, part) if stored else None),
            )
            if not self.answered:
                if fresh is not None:
                    self.answered.append("live")
                if copies is not None:
                    self.answered.append("stored")
            listed = listed if fresh is not None else None
            stored = stored if copies is not None else None
            live_rows: _Rows = fresh[0] if fresh else []
            live_end = fresh[1] if fresh else None
            live = {str(row["id"]): invocation_of(row, "live") for row in live_rows}
            rows = {str(row["id"]): invocation_of(row, "stored") for row in copies or ()}
            self.raw |= {str(row["id"]): row for row in [*(copies or ()), *live_rows]}
            full = copies is not None and len(copies) >= size
            end = min(map(_place, rows.values())) if full else None
            only_stored = [id_ for id_ in rows if id_ not in live]
            current = await self._current(only_stored)
            if current is not None and fresh is not None:
                rows |= {id_: gone(rows[id_]) for id_ in only_stored if id_ not in current}
                rows |= current
            rows |= live
            # Above this place, both sources have been read to the end.
            before = max(filter(None, (live_end, end)), default=None)
            block = [
                row
                for row in rows.values()
                if (before is None or _place(row) >= before) and _matches(row, filters)
            ]
            found += len(block)
            yield sorted(block, key=_place, reverse=True)
            if before is None:
                return
            size = min(max(wanted - found, 2 * size), BLOCK)

    async def _current(self, ids: Sequence[str]) -> dict[str, Invocation] | None:
        """Return the live rows of invocations that only the store listed; None without a server.

        The store's copy may be older than the server's row, which takes precedence.
        """
        rows = await self.attempt(self.live.rows(ids) if self.live else None)
        if rows is None:
            return None
        self.raw |= {str(row["id"]): row for row in rows}
        return {str(row["id"]): invocation_of(row, "live") for row in rows}


class _Listed:
    """The server's invocations: their ids in one query, their rows block by block."""

    def __init__(self, live: LiveInvocations) -> None:
        self._live = live
        self._places: list[Place] | None = None
        self._more = False

    async def next(self, size: int, filters: Filters, wanted: int) -> tuple[_Rows, Place | None]:
        """Return the rows after `filters.before`, and their last place if older ones exist.

        Args:
            size: Number of rows.
            filters: Conditions, and the place after which the rows begin.
            wanted: Number of ids to list, when they have to be listed.
        """
        places = [
            place for place in self._places or () if not filters.before or place < filters.before
        ]
        if self._places is None or (self._more and len(places) < size):
            limit = min(max(size, wanted), PLACES)
            places = await self._live.places(limit, filters)
            self._more = len(places) >= limit
        self._places = places
        block = places[:size]
        older = self._more or len(places) > size
        rows = await self._live.rows([id_ for _, id_ in block])
        return rows, block[-1] if block and older else None


def gone(stored: Invocation) -> Invocation:
    """Return the stored copy of an invocation that the server no longer has."""
    return stored if stored.ended else replace(stored, status="gone")


def _place(row: Invocation) -> Place:
    return row.created_at, row.id


def _matches(row: Invocation, filters: Filters) -> bool:
    return (not filters.statuses or row.status in filters.statuses) and matches_words(
        row, filters.words
    )
