"""Polling, with pauses in proportion to the duration of each read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["Poller"]

Result = TypeVar("Result")
LONGEST_PAUSE = 30.0
"""Seconds after which a read is repeated even if it takes long, as all do on a busy machine."""


def _always() -> bool:
    return True


def _not_slower() -> float:
    return 0.0


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
        pause: Callable[[float], float] | None = None,
        slower: Callable[[], float] = _not_slower,
        needed: Callable[[], bool] = _always,
    ) -> None:
        """Create the poller.

        Args:
            read: reads once.
            deliver: takes the result; must not block.
            fail: takes the exception of a failed read; polling continues.
            seconds: minimum pause between two reads.
            share: minimum pause as a multiple of the time that the last read took.
            pause: returns the pause after a read of that many seconds, in place of `seconds`
                and `share`.
            slower: returns another minimum pause, which is longer while something else reports
                changes.
            needed: returns whether to read; if not, the poller waits until it is woken.
        """
        self._read = read
        self._deliver = deliver
        self._fail = fail
        self.seconds = seconds
        self.share = share
        self._pause = pause
        self.slower = slower
        self._needed = needed
        self._wake = asyncio.Event()
        self.is_asleep = False
        """Whether it waits until a read is needed."""

    def wake(self) -> None:
        """Read at once."""
        self._wake.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        before = LONGEST_PAUSE
        while True:
            self._wake.clear()
            if not self._needed():
                self.is_asleep = True
                await self._wake.wait()
                self.is_asleep = False
                continue
            started = time.monotonic()
            try:
                self._deliver(await self._read())
                took = time.monotonic() - started
                # A server that was away makes one read look expensive.
                cost, before = min(took, before), took
            except Exception as error:
                self._fail(error)
                cost = 0.0
            try:
                async with asyncio.timeout(self._pause_after(cost)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _pause_after(self, took: float) -> float:
        if self._pause:
            return self._pause(took)
        return max(self.seconds, self.slower(), min(self.share * took, LONGEST_PAUSE))
