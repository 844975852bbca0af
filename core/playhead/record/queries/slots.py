"""Places for queries that run at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TypeVar

from playhead.record.queries.threads import QueryThreads

__all__ = ["QuerySlots"]

_T = TypeVar("_T")

QUICK = 6
"""Queries that run at the same time, without the slow ones."""
SLOW = 4
"""Slow queries that leave their place to the quick ones."""
SLOW_SECONDS = 0.1
"""Time after which a query is slow."""
OF_A_CLIENT = 3
"""Queries of one client that run at the same time, so that the others can run theirs."""
FIRST = 2
"""Places of the quick ones that only a client without another query may take."""
HUNGRY_SECONDS = 10.0
"""Time for which clients take turns after a query of theirs was ended for its memory."""


@dataclass(slots=True, eq=False)
class _Query:
    client: str
    turn: asyncio.Future[None]
    is_slow: bool = False


class QuerySlots:
    """Limits how many queries run, so that slow ones hold up neither each other nor quick ones."""

    def __init__(self) -> None:
        """Start without queries."""
        self._threads = QueryThreads()
        self._running: list[_Query] = []
        self._waiting: list[_Query] = []
        self._hungry: dict[str, asyncio.TimerHandle] = {}

    @property
    def taken(self) -> int:
        """Return the number of queries that are running."""
        return len(self._running)

    @property
    def has_slow(self) -> bool:
        """Return whether slow queries are running, which delay commits."""
        return any(query.is_slow for query in self._running)

    async def run(self, function: Callable[[], _T]) -> _T:
        """Return the result of a function in a thread, which gives way when it is slow."""
        return await self._threads.run(function, slow_seconds=SLOW_SECONDS)

    def note_memory(self, client: str, *, is_enough: bool) -> None:
        """Take note of whether there was enough memory for the last query of a client.

        Without enough, its next queries run one after the other with those of other such clients:
        together, they would take all memory again, and the rest would find none.
        """
        if (timer := self._hungry.pop(client, None)) is not None:
            timer.cancel()
        if is_enough:
            return
        loop = asyncio.get_running_loop()
        self._hungry[client] = loop.call_later(HUNGRY_SECONDS, self._forget, client)

    def _forget(self, client: str) -> None:
        self._hungry.pop(client, None)
        self._let_in()

    @contextlib.asynccontextmanager
    async def take(self, client: str) -> AsyncGenerator[None]:
        """Wait for a place, and hold it within the block.

        Args:
            client: Name that the client gives itself.
        """
        loop = asyncio.get_running_loop()
        query = _Query(client, loop.create_future())
        self._waiting.append(query)
        timer: asyncio.TimerHandle | None = None
        try:
            self._let_in()
            await query.turn
            timer = loop.call_later(SLOW_SECONDS, self._leave, query)
            yield
        finally:
            if timer is not None:
                timer.cancel()
            (self._running if query in self._running else self._waiting).remove(query)
            self._let_in()

    def _leave(self, query: _Query) -> None:
        """Let a query leave its place to the quick ones, if there is another one for it."""
        if sum(one.is_slow for one in self._running) < SLOW:
            query.is_slow = True
            self._let_in()

    def _let_in(self) -> None:
        """Give the free places to those that have waited for longest and may have one."""
        running = Counter(query.client for query in self._running)
        free = QUICK - sum(not query.is_slow for query in self._running)
        for query in list(self._waiting):
            others = running[query.client]
            if others >= OF_A_CLIENT or free <= (FIRST if others else 0):
                continue
            if query.client in self._hungry and not self._hungry.keys().isdisjoint(running):
                continue
            self._waiting.remove(query)
            self._running.append(query)
            running[query.client] += 1
            free -= 1
            if not query.turn.done():  # else it is cancelled, and about to leave
                query.turn.set_result(None)
