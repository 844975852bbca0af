"""Wait until an app under test has handled its input: its event loop has nothing left to run.

Textual's pilot waits until the process uses less than a twentieth of the time. An app that also
does something else, such as reading a live list, then costs a second for each key; and on a busy
machine, a process that waits for the processor looks idle before it has begun.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

__all__ = ["wait_for_idle", "wait_for_the_loop"]

PAUSE_SECONDS = 0.005
"""For threads and timers that are about to answer."""


async def wait_for_idle(min_sleep: float = 0, max_sleep: float = 1) -> None:
    """Wait until no callback is ready, and again after a pause.

    Wait for at most `max_sleep` seconds of processor time, which pass slowly on a busy machine.
    """
    deadline = time.thread_time() + max_sleep
    ready: Any = asyncio.get_running_loop()._ready  # pyright: ignore[reportAttributeAccessIssue]
    for pause in (0, max(min_sleep, PAUSE_SECONDS)):
        await asyncio.sleep(pause)
        while True:
            await asyncio.sleep(0)
            if not ready or time.thread_time() > deadline:
                break


@pytest.fixture(scope="session", autouse=True)
def wait_for_the_loop() -> Iterator[None]:
    """Let pilots wait for the event loop instead of the processor."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("textual.app", "textual.pilot"):
            patch.setattr(f"{module}.wait_for_idle", wait_for_idle)
        yield
