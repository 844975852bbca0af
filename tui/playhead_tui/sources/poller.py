"""Polling, with pauses in proportion to the duration of each read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["Poller"]

Result = TypeVar("Result")


class Poller(Generic[Result]):
    """A loop that calls `read` and delivers the results until it is cancelled."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Result]],
        deliver: Callable[[Result], object],
        fail: Callable[[Exception], object],
        *,
        seconds: float,
        share: float = 10,
    ) -> None:
        """Create the poller.

        Args:
            read: reads once.
            deliver: takes the result; must not block.
            fail: takes the exception of a failed read; polling continues.
            seconds: minimum pause between two reads.
            share: minimum pause as a multiple of the time that the last read took.
        """
        self._read = read
        self._deliver = deliver
        self._fail = fail
        self.seconds = seconds
        self.share = share
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Read at once."""
        self._wake.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            self._wake.clear()
            started = time.monotonic()
            try:
                self._deliver(await self._read())
            except Exception as error:
                self._fail(error)
            pause = max(self.seconds, self.share * (time.monotonic() - started))
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue
