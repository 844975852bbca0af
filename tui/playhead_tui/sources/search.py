"""The search for a query's first matches among all that the server and the store have."""

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
    """The first matches of a query."""

    query: ListQuery
    page: InvocationPage
    started: float
    """When the read started, monotonic."""


class Search:
    """Finds the first matches of a query; the sources apply all its conditions and its order."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._query = ListQuery()
        self._wanted = FOUND
        self._page: InvocationPage | None = None
        self._found: frozenset[str] = frozenset()

    @property
    def active(self) -> bool:
        """Whether the query has conditions, or another order than the newest first."""
        return bool(self._query.conditions) or not self._query.order.newest_first

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
        """Whether there are more matches than those found."""
        return self._page is not None and self._page.more

    @property
    def missing(self) -> tuple[str, ...]:
        """Sources that could not be searched, as sentences."""
        return self._page.missing if self._page else ()

    @property
    def found(self) -> frozenset[str]:
        """Ids of the invocations that were found for this query."""
        return self._found

    @property
    def ordered(self) -> bool:
        """Whether the sources could sort their rows in the order of the query."""
        return self._page is not None and self._page.ordered

    @property
    def last(self) -> str | None:
        """The last match that was read in the order of the query, if more exist."""
        page = self._page
        if page is None or not page.more or not page.ordered or self._query.order.newest_first:
            return None
        return page.rows[-1].id if page.rows else None

    def begin(self, query: ListQuery) -> None:
        """Search for another query."""
        if query != self._query:
            self._wanted = FOUND
            self._page = None
            self._found = frozenset()
        self._query = query

    def want_more(self) -> None:
        """Find further matches, too."""
        if self._page and self._page.more and len(self._page.rows) >= self._wanted:
            self._wanted += FOUND

    async def read(self, reader: InvocationReader) -> SearchUpdate:
        """Read the first matches."""
        query, started = self._query, self._clock()
        page = await reader.invocations(
            limit=self._wanted,
            filter=query.text or None,
            status=FAILING if query.errors_only else None,
            order=query.order,
        )
        return SearchUpdate(query, page, started)

    def update(self, update: SearchUpdate) -> None:
        """Take the matches of a read, unless the query has changed meanwhile."""
        if update.query == self._query:
            self._page = update.page
            self._found = frozenset(row.id for row in update.page.rows)
