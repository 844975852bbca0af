"""Places for queries that run at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, WouldBlock

from playhead.record.query_threads import QueryThreads

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


class QuerySlots:
    """Limits how many queries run, so that slow ones hold up neither each other nor quick ones."""

    def __init__(self) -> None:
        """Start without queries."""
        self._threads = QueryThreads()
        self._quick = CapacityLimiter(QUICK)
        self._slow = CapacityLimiter(SLOW)
        self._clients: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()

    @property
    def taken(self) -> int:
        """Return the number of queries that are running."""
        return self._quick.borrowed_tokens + self._slow.borrowed_tokens

    @property
    def has_slow(self) -> bool:
        """Return whether slow queries are running, which delay commits."""
        return self._slow.borrowed_tokens > 0

    async def run(self, function: Callable[[], _T]) -> _T:
        """Return the result of a function in a thread, which gives way when it is slow."""
        return await self._threads.run(function, slow_seconds=SLOW_SECONDS)

    @contextlib.asynccontextmanager
    async def take(self, client: str) -> AsyncGenerator[None]:
        """Wait for a place, and hold it within the block.

        Args:
            client: Name that the client gives itself.
        """
        async with self._clients.setdefault(client, CapacityLimiter(OF_A_CLIENT)):
            query = object()
            held = [self._quick]
            await self._quick.acquire_on_behalf_of(query)

            def leave() -> None:
                with contextlib.suppress(WouldBlock):
                    self._slow.acquire_on_behalf_of_nowait(query)
                    self._quick.release_on_behalf_of(query)
                    held[:] = [self._slow]

            timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, leave)
            try:
                yield
            finally:
                timer.cancel()
                held[0].release_on_behalf_of(query)
