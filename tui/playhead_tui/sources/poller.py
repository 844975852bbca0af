"""Reads again and again, no faster than the source can bear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["Poller"]

Result = TypeVar("Result")


class Poller(Generic[Result]):
    """Calls `read` and hands on what it returns, until it is cancelled."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Result]],
        deliver: Callable[[Result], object],
        fail: Callable[[Exception], object],
        *,
        seconds: float,
        share: float = 10,
    ) -> None:
        """Describe the polling.

        Args:
            read: one read.
            deliver: takes its result; must not block.
            fail: takes what it raised; polling goes on.
            seconds: the shortest time between two reads.
            share: a read that takes one second is repeated at most every `share` seconds.
        """
        self._read = read
        self._deliver = deliver
        self._fail = fail
        self.seconds = seconds
        self.share = share
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Read now."""
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
