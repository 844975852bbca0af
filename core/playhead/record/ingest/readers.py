"""Whether clients read: queries have the processor before commits."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Generator

__all__ = ["Readers"]

READ_SECONDS = 2.0
"""Time after a query during which clients are taken to read."""
YIELD_SECONDS = 0.05
"""Time that a query has for itself before the next commit starts."""


class Readers:
    """The queries that run, and the time of the last one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start without queries.

        Args:
            clock: Monotonic time in seconds.
        """
        self._clock = clock
        self.running = 0
        """Number of queries that run."""
        self._last = -math.inf
        """Time when the last query started or ended."""
        self._unread = asyncio.Event()
        """Set while no query runs."""
        self._unread.set()

    @property
    def are_active(self) -> bool:
        """Whether a query runs, or ran a moment ago."""
        return self.running > 0 or self._clock() - self._last < READ_SECONDS

    @contextlib.contextmanager
    def reading(self) -> Generator[None]:
        """Let commits wait for a query, which runs in the block."""
        self.running += 1
        self._last = self._clock()
        self._unread.clear()
        try:
            yield
        finally:
            self.running -= 1
            self._last = self._clock()
            if not self.running:
                self._unread.set()

    async def wait(self) -> None:
        """Wait while queries run that started a moment ago."""
        pause = self._last + YIELD_SECONDS - self._clock()
        if self.running and pause > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._unread.wait()
