"""The pause between two reads."""

from __future__ import annotations

import asyncio
import time

import pytest
from playhead_tui.sources.poller import Poller
from waiting import until_async

PAUSE = 0.3


@pytest.fixture
async def reads() -> list[float]:
    """When reads began."""
    return []


def poller(reads: list[float], seconds: float) -> Poller[None]:
    async def read() -> None:
        reads.append(time.monotonic())

    return Poller(read, lambda _: None, lambda _: None, seconds=seconds)


async def test_a_postponed_read_waits_once_more(reads: list[float]) -> None:
    """However often something else shows what it would read: that may be late or incomplete."""
    one = poller(reads, PAUSE)
    running = asyncio.create_task(one.run())
    await until_async(lambda: len(reads) == 1)
    await asyncio.sleep(PAUSE / 2)
    one.postpone()
    postponed = time.monotonic()
    while len(reads) == 1:
        await asyncio.sleep(0.01)
        one.postpone()
    assert reads[1] - postponed >= PAUSE
    running.cancel()


async def test_a_wanted_read_is_not_postponed(reads: list[float]) -> None:
    one = poller(reads, 60.0)
    running = asyncio.create_task(one.run())
    await until_async(lambda: len(reads) == 1)
    one.wake()
    one.postpone()
    await until_async(lambda: len(reads) == 2)
    one.postpone()
    one.wake()
    await until_async(lambda: len(reads) == 3)
    running.cancel()
