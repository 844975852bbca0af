"""Invocations of both sources, merged newest first, in blocks of bounded size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from playhead.filters.language import Filter
from playhead.filters.rows import matches
from playhead.filters.store import RECORDED_TEXTS
from playhead.model import Invocation, Origin
from playhead.reader.listing.live import LiveInvocations, Place
from playhead.reader.listing.rows import invocation_of
from playhead.reader.listing.stored import FoundFigures, StoredInvocations
from playhead.restate import queries

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
    now: datetime
    """The time from which ages in filters are counted."""
    answered: list[Origin] = field(default_factory=lambda: list[Origin]())
    """The sources that answered, once a block was read."""
    raw: dict[str, dict[str, Any]] = field(default_factory=lambda: dict[str, dict[str, Any]]())
    """The rows of sys_invocation of the last block, or the store's copies of them, by id."""
    figures: FoundFigures | None = None
    """Receives figures of the last block that the store returned with its rows."""

    async def blocks(
        self, wanted: Filter, before: Place | None, limit: int
    ) -> AsyncIterator[list[Invocation]]:
        """Yield the invocations that match, newest first, each one once.

        Each source is read from the place down to which both are complete, so rows with equal
        times at the border of a block are neither lost nor repeated. The conditions are checked
        again on the merged rows: the store's copy of a row may be older than the server's.

        Conditions that only the store can answer leave the list to the store; the server then
        delivers the current rows. What an invocation waits for is not checked here.

        Args:
            wanted: Conditions that the invocations meet.
            before: The place of an invocation; only older ones are yielded.
            limit: Number of invocations that may be enough.
        """
        by_store = wanted.needs_store
        listed: _Listed | None = _Listed(self.live, wanted, self.now) if self.live else None
        stored: StoredInvocations | None = self.stored
        checked = wanted.without_wait
        relaxed = self.live is not None and bool(by_store or wanted.texts)
        fresh: tuple[_Rows, Place | None] | None
        copies: _Rows | None
        size = min(limit, BLOCK)
        if by_store and self.live:
            # The store lists the invocations; whether the server answers is known beforehand.
            if await self.attempt(self.live.client.query(queries.ACTIVE)) is None:
                self.live = None
            else:
                self.answered.append("live")
            listed = None
        while listed or stored:
            fresh, copies = await asyncio.gather(
                self.attempt(listed.next(size, before, limit) if listed else None),
                self.attempt(
                    stored.newest(
                        size, wanted, self.now, before, live=relaxed, figures=self.figures
                    )
                    if stored
                    else None
                ),
            )
            if fresh is not None and "live" not in self.answered:
                self.answered.append("live")
            if copies is not None and "stored" not in self.answered:
                self.answered.append("stored")
            listed = listed if fresh is not None else None
            stored = stored if copies is not None else None
            live_rows: _Rows = fresh[0] if fresh else []
            live_end = fresh[1] if fresh else None
            self.raw = {str(row["id"]): row for row in (*(copies or ()), *live_rows)}
            live = {str(row["id"]): invocation_of(row, "live") for row in live_rows}
            rows = (
                {str(row["id"]): stored.invocation(row) for row in copies or ()} if stored else {}
            )
            texts = {str(row["id"]): row.get(RECORDED_TEXTS) or () for row in copies or ()}
            full = copies is not None and len(copies) >= size
            end = min(map(_place, rows.values())) if full else None
            only_stored = [id_ for id_ in rows if id_ not in live]
            current = await self._current(only_stored)
            if current is not None and self.live and (fresh is not None or by_store):
                cluster = self.live.cluster
                rows |= {id_: gone(rows[id_], cluster) for id_ in only_stored if id_ not in current}
                rows |= current
            rows |= live
            # Above this place, both sources have been read to the end.
            before = max(filter(None, (live_end, end)), default=None)
            block = [
                row
                for row in rows.values()
                if (before is None or _place(row) >= before)
                and self._matches(checked, row, texts.get(row.id))
            ]
            yield sorted(block, key=_place, reverse=True)
            if before is None:
                return
            size = min(2 * size, BLOCK)

    def _matches(self, wanted: Filter, row: Invocation, recorded: Sequence[bool] | None) -> bool:
        """Return whether a merged row matches.

        Args:
            wanted: The filter; its conditions that only the store can answer are met.
            row: The row.
            recorded: For each text, whether it was recorded; None if the store did not list it.
        """
        texts = [False] * len(wanted.texts) if recorded is None else recorded
        return matches(wanted, row, self.now, texts) is not False

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

    def __init__(self, live: LiveInvocations, wanted: Filter, now: datetime) -> None:
        self._live = live
        self._wanted = wanted
        self._now = now
        self._places: list[Place] | None = None
        self._more = False

    async def next(self, size: int, before: Place | None, limit: int) -> tuple[_Rows, Place | None]:
        """Return the rows after a place, and their last place if older ones exist.

        Args:
            size: Number of rows.
            before: The place after which the rows begin.
            limit: Number of ids to list, when they have to be listed.
        """
        places = [place for place in self._places or () if not before or place < before]
        if self._places is None or (self._more and len(places) < size):
            most = min(max(size, limit), PLACES)
            places = await self._live.places(most, self._wanted, self._now, before)
            self._more = len(places) >= most
        self._places = places
        block = places[:size]
        older = self._more or len(places) > size
        rows = await self._live.rows([id_ for _, id_ in block])
        return rows, block[-1] if block and older else None


def gone(stored: Invocation, cluster: str) -> Invocation:
    """Return the stored copy of an invocation that the server does not have.

    Args:
        stored: The copy.
        cluster: Cluster of the server; what was copied from another one may still be there.
    """
    if stored.ended or stored.cluster not in (None, cluster):
        return stored
    return replace(stored, status="gone")


def _place(row: Invocation) -> Place:
    return row.created_at, row.id
