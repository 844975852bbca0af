"""The invocations read so far, page by page; nothing is read twice to see older ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from playhead.model import FAILING, STATUSES, Invocation, InvocationPage, Status
from playhead_tui.interfaces import Source
from playhead_tui.sources.list_query import ListQuery

__all__ = ["PAGE", "InvocationCache", "Reading"]

PAGE = 200
"""Rows of one read."""


@dataclass(frozen=True)
class Reading:
    """What one round of reads brought."""

    head: InvocationPage
    """The newest."""
    older: InvocationPage | None = None
    """A further page: the one after page number `place` - 1."""
    place: int = 0
    before: Invocation | None = None
    matching: InvocationPage | None = None
    """What the server itself found for the filter."""


def _age(row: Invocation) -> tuple[datetime, str]:
    return row.created_at, row.id


class InvocationCache:
    """Rows by id, and how far back they go without a gap."""

    def __init__(self) -> None:
        self._rows: dict[str, Invocation] = {}
        self._edges: list[Invocation] = []
        """The last row of each page read, newest page first."""
        self._turn = 0
        self.more = False
        """Whether the sources have older ones than these."""
        self.older_wanted = False
        self.matches_wanted = PAGE
        self.missing: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Invocation, ...]:
        """All rows read, in no particular order."""
        return tuple(self._rows.values())

    async def read(self, source: Source, arrangement: ListQuery) -> Reading:
        """One round: the newest page, one older page in turn, and what matches the filter."""
        head = await source.invocations(limit=PAGE)
        older = before = matching = None
        place = 0
        if self._edges:
            if self.older_wanted and self.more:
                place = len(self._edges)
            elif len(self._edges) > 1:
                place = self._turn % (len(self._edges) - 1) + 1
        if place:
            before = self._edges[place - 1]
            older = await source.invocations(limit=PAGE, before=before)
        if self.more and (arrangement.text or arrangement.errors_only):
            text, statuses = server_filter(arrangement)
            matching = await source.invocations(
                limit=self.matches_wanted, text=text, status=statuses
            )
        return Reading(head, older, place, before, matching)

    def put(self, reading: Reading) -> None:
        """Keep what was read, and forget rows that are gone."""
        head = reading.head
        self._replace(head, None)
        if head.rows:
            self._edges[:1] = [head.rows[-1]]
        else:
            self._edges.clear()
        if len(self._edges) <= 1:
            self.more = head.more
        if reading.older is not None and reading.before is not None:
            self._put_older(reading.older, reading.place, reading.before)
        for row in reading.matching.rows if reading.matching else ():
            self._rows[row.id] = row
        pages = (reading.head, reading.older, reading.matching)
        self.missing = tuple(dict.fromkeys(m for page in pages if page for m in page.missing))

    def _put_older(self, page: InvocationPage, place: int, before: Invocation) -> None:
        self._replace(page, before)
        self._turn += 1
        if place >= len(self._edges):
            self.older_wanted = False
            self.more = page.more
        if page.rows:
            self._edges[place : place + 1] = [page.rows[-1]]

    def _replace(self, page: InvocationPage, before: Invocation | None) -> None:
        """The page is all there is between its ends: rows in between that it lacks are gone."""
        if page.missing and not page.rows:
            return
        last = _age(page.rows[-1]) if page.rows and page.more else None
        first = _age(before) if before else None
        came = {row.id for row in page.rows}
        gone = [
            row.id
            for row in self._rows.values()
            if row.id not in came
            and (first is None or _age(row) < first)
            and (last is None or _age(row) > last)
        ]
        for ident in gone:
            del self._rows[ident]
        for row in page.rows:
            self._rows[row.id] = row


def server_filter(arrangement: ListQuery) -> tuple[str | None, Iterable[Status] | None]:
    """What a server can be asked; it does not search failures, and knows one text only.

    Returns:
        A text that id or target must contain, and the statuses that come into question.
    """
    words = arrangement.text.casefold().split()
    statuses: list[Status] = [status for status in STATUSES if status in words]
    texts = [word for word in words if word not in STATUSES]
    if arrangement.errors_only:
        statuses = [status for status in FAILING if status in statuses] or list(FAILING)
    return (max(texts, key=len) if texts else None), statuses or None
