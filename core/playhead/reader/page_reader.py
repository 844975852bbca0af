"""Pages of invocations of both sources: the newest, the first of an order, or given ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from playhead.filters.language import Filter
from playhead.filters.rows import matches
from playhead.model import Invocation, InvocationPage, Order
from playhead.reader.figures import Figures
from playhead.reader.listing.matching import unanswerable
from playhead.reader.listing.ordered import first_rows, unsortable
from playhead.reader.listing.pages import BLOCK, Merge, gone
from playhead.reader.listing.rows import invocation_of
from playhead.reader.listing.stored import FoundFigures
from playhead.reader.sources import Sources, try_read
from playhead.record.shared_requests import together

__all__ = ["PageReader"]

ENDED_SECONDS = 2.0
"""Time for which the row of an ended invocation is not read again: only a deletion changes it."""
ENDED_ROWS = 500
"""Number of such rows that are kept."""

_T = TypeVar("_T")


class PageReader:
    """Reads pages of invocations from a live server, the store, or both."""

    def __init__(self, sources: Sources, figures: Figures) -> None:
        """Take the sources, and the reader of figures of their invocations."""
        self._sources = sources
        self._figures = figures
        self._live = figures.live
        self._stored = figures.stored
        self._ended = _EndedRows()

    async def page(
        self,
        wanted: Filter,
        *,
        limit: int,
        before: Invocation | None,
        order: Order | None,
        figures: bool,
    ) -> InvocationPage:
        """Return the invocations that match; see `Reader.invocations`."""
        with together():  # read in one request with the first rows
            copying = asyncio.ensure_future(self._sources.copy_problems())
        try:
            return await self._page(wanted, limit, before, order, copying, figures=figures)
        finally:
            copying.cancel()

    async def _page(
        self,
        wanted: Filter,
        limit: int,
        before: Invocation | None,
        order: Order | None,
        copy_problems: Awaitable[tuple[str, ...]],
        *,
        figures: bool,
    ) -> InvocationPage:
        missing = self._sources.absent()

        def attempt(read: Awaitable[_T] | None) -> Awaitable[_T | None]:
            return try_read(read, missing)

        now = datetime.now(UTC)
        merge = Merge(self._live, self._stored, attempt, now)
        merge.figures = FoundFigures() if figures and limit <= BLOCK else None
        missing += unanswerable(wanted, stored=self._stored is not None)
        rows: list[Invocation] = []
        more = False
        unsorted = unsortable(order or Order(), stored=self._stored is not None)
        missing += [unsorted] if unsorted else []
        if order is not None and not order.newest_first and not unsorted:
            rows, more = await self._ordered(merge, wanted, order, limit, missing)
        else:
            place = (before.created_at, before.id) if before else None
            async for block in merge.blocks(wanted, place, limit + 1):
                block = await self._waiting(block, wanted, merge, missing)
                more = len(rows) + len(block) > limit
                block = block[: limit - len(rows)]
                if figures:
                    block = await self._figures.add(block, merge.raw, missing, merge.figures)
                rows += block
                if more:
                    break
        copying = await copy_problems
        archived = () if more else await self._sources.archive_note()
        return InvocationPage(
            tuple(rows),
            more=more,
            missing=self._sources.after_read([*missing, *copying, *archived]),
            copying=copying,
            sources=tuple(merge.answered),
            ordered=not unsorted,
        )

    async def _ordered(
        self, merge: Merge, wanted: Filter, order: Order, limit: int, missing: list[str]
    ) -> tuple[list[Invocation], bool]:
        """Return the first invocations of an order, and whether more match."""
        found: list[Invocation] = []
        more = False
        async for block, further in first_rows(merge, wanted, order, limit):
            block = await self._waiting(block, wanted, merge, missing)
            more = further or len(block) > limit
            found = await self._figures.add(block, merge.raw, missing)
            order.apply(found, merge.now)
            found = found[:limit]
            if len(found) >= limit:
                break
        return found, more

    async def _waiting(
        self, block: list[Invocation], wanted: Filter, merge: Merge, missing: list[str]
    ) -> list[Invocation]:
        """Return the invocations that wait for what the filter names."""
        if not wanted.has_wait:
            return block
        attempts = await self._figures.attempts(block, missing)
        block = await self._figures.explained(block, merge.raw, missing, attempts)
        return [row for row in block if matches(wanted, row, merge.now) is not False]

    async def rows(self, ids: Sequence[str], *, figures: bool) -> InvocationPage:
        """Return the current rows of these invocations; see `Reader.refresh`."""
        missing: list[str] = []
        kept = self._ended.of(ids) if figures else {}
        asked = [id_ for id_ in ids if id_ not in kept]
        read = self._live.rows(asked) if self._live and (asked or not kept) else None
        live = await try_read(read, missing) if read or not kept else ()
        if live is None:
            return InvocationPage((), more=False, missing=tuple(missing))
        raw: dict[str, Mapping[str, Any]] = {**kept, **{str(row["id"]): row for row in live}}
        self._ended.keep(asked, live)
        rows = {id_: invocation_of(row, "live") for id_, row in raw.items()}
        deleted = [id_ for id_ in ids if id_ not in rows]
        stored = await try_read(
            self._stored.rows(deleted) if self._stored and deleted else None, missing
        )
        cluster = self._live.cluster if self._live else ""
        for row in stored or ():
            raw[str(row["id"])] = row
            rows[str(row["id"])] = gone(invocation_of(row, "stored"), cluster)
        found = list(rows.values())
        if figures:
            found = await self._figures.add(found, raw, missing)
        return InvocationPage(tuple(found), more=False, missing=tuple(missing), sources=("live",))


class _EndedRows:
    """Rows of ended invocations that the server returned a moment ago."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def of(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return the rows that are new enough, by id."""
        since = time.monotonic() - ENDED_SECONDS
        found = {id_: self._rows[id_] for id_ in ids if id_ in self._rows}
        return {id_: row for id_, (at, row) in found.items() if at >= since}

    def keep(self, asked: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep what a read of these ids returned, and nothing of the others among them."""
        if len(self._rows) > ENDED_ROWS:
            self._rows.clear()
        for id_ in asked:
            self._rows.pop(id_, None)
        now = time.monotonic()
        ended = (row for row in rows if row.get("status") == "completed")
        self._rows.update({str(row["id"]): (now, row) for row in ended})
