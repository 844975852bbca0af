"""The search for a query's matches among all that the server and the store have."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from playhead.model import FAILING, InvocationPage

from playhead_tui.interfaces import InvocationReader
from playhead_tui.sources.list_query import ListQuery

__all__ = ["FOUND", "Search", "SearchUpdate"]

FOUND = 200
"""Matches per read."""


@dataclass(frozen=True)
class SearchUpdate:
    """The newest matches of a query."""

    query: ListQuery
    page: InvocationPage
    started: float
    """When the read started, monotonic."""


class Search:
    """Finds the newest matches of a query; the sources apply all its conditions."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._query = ListQuery()
        self._wanted = FOUND
        self._page: InvocationPage | None = None
        self._found: frozenset[str] = frozenset()

    @property
    def active(self) -> bool:
        """Whether the query has conditions."""
        return bool(self._query.text or self._query.errors_only)

    @property
    def failed(self) -> bool:
        """Whether no source could be searched."""
        page = self._page
        return page is not None and bool(page.missing) and not page.sources

    @property
    def done(self) -> bool:
        """Whether the sources have answered for this query."""
        return self._page is not None and not self.failed

    @property
    def more(self) -> bool:
        """Whether there are older matches than those found."""
        return self._page is not None and self._page.more

    @property
    def missing(self) -> tuple[str, ...]:
        """Sources that could not be searched, as sentences."""
        return self._page.missing if self._page else ()

    @property
    def found(self) -> frozenset[str]:
        """Ids of the invocations that were found for this query."""
        return self._found

    def begin(self, query: ListQuery) -> None:
        """Search for another query; one that differs only in its order continues."""
        if (query.text, query.errors_only) != (self._query.text, self._query.errors_only):
            self._wanted = FOUND
            self._page = None
            self._found = frozenset()
        self._query = query

    def want_more(self) -> None:
        """Find older matches, too."""
        if self._page and self._page.more and len(self._page.rows) >= self._wanted:
            self._wanted += FOUND

    async def read(self, reader: InvocationReader) -> SearchUpdate:
        """Read the newest matches."""
        query, started = self._query, self._clock()
        page = await reader.invocations(
            limit=self._wanted,
            filter=query.text or None,
            status=FAILING if query.errors_only else None,
        )
        return SearchUpdate(query, page, started)

    def update(self, update: SearchUpdate) -> None:
        """Take the matches of a read, unless the query has changed meanwhile."""
        asked, now = update.query, self._query
        if (asked.text, asked.errors_only) == (now.text, now.errors_only):
            self._page = update.page
            self._found = frozenset(row.id for row in update.page.rows)
