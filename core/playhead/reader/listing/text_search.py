"""The newest invocations with a text: parts of the store are searched, the newest first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from playhead.filters.language import Filter
from playhead.filters.store import MAY_CHANGE, Within, indexed_texts
from playhead.record.client import StoreClient

__all__ = ["search_parts"]

CANDIDATES = (200, 2000)
"""Invocations in the first parts, if the text index finds them."""
INVOCATIONS = (2000,)
"""Invocations in the first parts without it. With more, a part takes as long as everything."""

_NEWEST = """
SELECT id, epoch_us(created_at) AS at FROM invocations {where}
ORDER BY created_at DESC, id DESC LIMIT {limit}
"""


async def search_parts(
    client: StoreClient, wanted: Filter, before: tuple[datetime, str] | None, *, live: bool
) -> AsyncIterator[Within | None]:
    """Yield parts of the store that together have every match, newer ones first; None for all.

    Args:
        client: The store.
        wanted: A filter.
        before: Creation time and id of an invocation; only older ones are searched.
        live: Whether copies that may be out of date match; see `store_condition`.
    """
    parts = _Parts(client, live=live)
    if not wanted.texts:
        yield None
        return
    if texts := indexed_texts(wanted):
        async for part in parts.indexed(texts, before):
            yield part
    if not parts.complete and parts.below is None and not wanted.needs_store:
        # What it needs of the store costs the same for every part.
        async for part in parts.newest(before):
            yield part
    if not parts.complete:
        yield parts.rest()


class _Parts:
    def __init__(self, client: StoreClient, *, live: bool) -> None:
        self._client = client
        self._live = live
        self.below: int | None = None
        """Creation time in microseconds from which on everything has been searched."""
        self.complete = False

    def rest(self) -> Within | None:
        """Return everything below the last part."""
        if self.below is None:
            return None
        return Within(None, "epoch_us(i.created_at) < ?", [self.below])

    async def indexed(
        self, texts: Sequence[str], before: tuple[datetime, str] | None
    ) -> AsyncIterator[Within]:
        """Yield what the text index finds, until it has found everything, or cannot tell."""
        until_us = round(before[0].timestamp() * 1e6) if before else None
        for size in CANDIDATES:
            found = await self._client.search(texts, until_us, size)
            if found is None:
                return
            ids = found.ids
            if self._live:
                ids = (*ids, *await self._out_of_date(found.floor_us))
            yield self._part(ids, found.floor_us)
            if found.floor_us is None:
                self.complete = True
                return
            until_us = found.floor_us - 1

    async def newest(self, before: tuple[datetime, str] | None) -> AsyncIterator[Within]:
        """Yield the newest invocations."""
        for size in INVOCATIONS:
            where, params = "", list[object]()
            if self.below is not None:
                where, params = "WHERE epoch_us(created_at) < ?", [self.below]
            elif before:
                where = "WHERE (created_at, id) < (?::TIMESTAMPTZ, ?)"
                params = [before[0].isoformat(), before[1]]
            rows = await self._client.rows(_NEWEST.format(where=where, limit=size), params)
            if len(rows) < size:
                self.complete = True
            floor = None if self.complete else int(rows[-1]["at"]) + 1
            yield self._part([str(row["id"]) for row in rows], floor)
            if self.complete:
                return

    def _part(self, ids: Sequence[str], floor: int | None) -> Within:
        """Return the invocations from a time on that are below the previous part."""
        conditions: list[str] = []
        params: list[int] = []
        if floor is not None:
            conditions.append("epoch_us(i.created_at) >= ?")
            params.append(floor)
        if self.below is not None:
            conditions.append("epoch_us(i.created_at) < ?")
            params.append(self.below)
        self.below = self.below if floor is None else floor
        return Within(ids, " AND ".join(conditions), params)

    async def _out_of_date(self, floor: int | None) -> list[str]:
        """Return copies that may be out of date, which match a text that the server may have."""
        sql = f"SELECT i.id FROM invocations AS i WHERE {MAY_CHANGE}"
        params: list[int] = []
        if floor is not None:
            sql, params = f"{sql} AND epoch_us(i.created_at) >= ?", [floor]
        return [str(row["id"]) for row in await self._client.rows(sql, params)]
