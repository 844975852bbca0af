"""The invocations read so far, page by page; older pages are not read again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from playhead.model import FAILING, STATUSES, Invocation, InvocationPage, Status

from playhead_tui.interfaces import InvocationReader
from playhead_tui.sources.list_query import ListQuery

__all__ = ["PAGE", "CacheUpdate", "InvocationCache"]

PAGE = 200
"""Rows per read."""


@dataclass(frozen=True)
class CacheUpdate:
    """The pages of one round of reads."""

    newest: InvocationPage
    older: InvocationPage | None = None
    """Older page, which follows page number `place` - 1."""
    place: int = 0
    before: Invocation | None = None
    """Row that `older` follows."""
    matching: InvocationPage | None = None
    """Rows that the server found for the query."""


def _age(row: Invocation) -> tuple[datetime, str]:
    return row.created_at, row.id


class InvocationCache:
    """Rows by id, and the end of the pages that were read without a gap."""

    def __init__(self) -> None:
        self._rows: dict[str, Invocation] = {}
        self._edges: list[Invocation] = []
        """The last row of each page read, newest page first."""
        self._turn = 0
        self.more = False
        """Whether the reader has older rows than these."""
        self.older_wanted = False
        """Whether the next round reads the page after the last one."""
        self.matches_wanted = PAGE
        """Number of rows to request when the server filters."""
        self.missing: tuple[str, ...] = ()
        """Sources that the last round could not read, as sentences."""

    @property
    def rows(self) -> tuple[Invocation, ...]:
        """All rows read, in no particular order."""
        return tuple(self._rows.values())

    async def read(self, reader: InvocationReader, query: ListQuery) -> CacheUpdate:
        """Read the newest page, each older page in turn, and rows that match the query."""
        newest = await reader.invocations(limit=PAGE)
        older = before = matching = None
        place = 0
        if self._edges:
            if self.older_wanted and self.more:
                place = len(self._edges)
            elif len(self._edges) > 1:
                place = self._turn % (len(self._edges) - 1) + 1
        if place:
            before = self._edges[place - 1]
            older = await reader.invocations(limit=PAGE, before=before)
        if self.more and (query.text or query.errors_only):
            text, statuses = server_filter(query)
            matching = await reader.invocations(
                limit=self.matches_wanted, text=text, status=statuses
            )
        return CacheUpdate(newest, older, place, before, matching)

    def update(self, update: CacheUpdate) -> None:
        """Store the rows that were read, and drop rows that no longer exist."""
        newest = update.newest
        self._replace(newest, None)
        if newest.rows:
            self._edges[:1] = [newest.rows[-1]]
        else:
            self._edges.clear()
        if len(self._edges) <= 1:
            self.more = newest.more
        if update.older is not None and update.before is not None:
            self._update_older(update.older, update.place, update.before)
        for row in update.matching.rows if update.matching else ():
            self._rows[row.id] = row
        pages = (newest, update.older, update.matching)
        self.missing = tuple(dict.fromkeys(m for page in pages if page for m in page.missing))

    def _update_older(self, page: InvocationPage, place: int, before: Invocation) -> None:
        self._replace(page, before)
        self._turn += 1
        if place >= len(self._edges):
            self.older_wanted = False
            self.more = page.more
        if page.rows:
            self._edges[place : place + 1] = [page.rows[-1]]

    def _replace(self, page: InvocationPage, before: Invocation | None) -> None:
        """Store a page and drop rows between its ends that it does not contain."""
        if page.missing and not page.rows:
            return
        last = _age(page.rows[-1]) if page.rows and page.more else None
        first = _age(before) if before else None
        read = {row.id for row in page.rows}
        gone = [
            row.id
            for row in self._rows.values()
            if row.id not in read
            and (first is None or _age(row) < first)
            and (last is None or _age(row) > last)
        ]
        for ident in gone:
            del self._rows[ident]
        for row in page.rows:
            self._rows[row.id] = row


def server_filter(query: ListQuery) -> tuple[str | None, Iterable[Status] | None]:
    """Return the part of a query that the server can answer: one text, and statuses.

    Returns:
        A substring of id or target, and the statuses; None for no restriction.
    """
    words = query.text.casefold().split()
    statuses: list[Status] = [status for status in STATUSES if status in words]
    texts = [word for word in words if word not in STATUSES]
    if query.errors_only:
        statuses = [status for status in FAILING if status in statuses] or list(FAILING)
    return (max(texts, key=len) if texts else None), statuses or None
