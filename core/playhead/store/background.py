"""Threads that give way: queries and acknowledgements have the processor first."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["Background", "give_way", "made_in_background"]

NICENESS = 5
"""Steps down. A thread of the usual niceness gets three times as much of a busy processor.

With more, commits would hardly proceed while several long queries run.
"""
_LAST = 19

_P = ParamSpec("_P")
_T = TypeVar("_T")


def give_way(thread: int | None = None) -> None:
    """Let the processor run other threads of this process before one of them.

    Threads that it starts give way, too. Only Linux has a niceness for each thread.

    Args:
        thread: Its id in the operating system; this thread without one.
    """
    if sys.platform == "linux":
        thread = thread or threading.get_native_id()
        with contextlib.suppress(OSError):  # a sandbox may refuse it
            niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
            os.setpriority(os.PRIO_PROCESS, thread, min(niceness, _LAST))


def made_in_background(make: Callable[[], _T]) -> _T:
    """Return what a function makes; the threads that it starts give way."""
    with ThreadPoolExecutor(1, initializer=give_way) as executor:
        return executor.submit(make).result()


class Background:
    """A few threads that give way, for calls from an event loop. They end with this object."""

    def __init__(self, threads: int, name: str) -> None:
        """Start no thread yet.

        Args:
            threads: Number of calls that run at the same time.
            name: Beginning of the threads' names.
        """
        self._executor = ThreadPoolExecutor(threads, name, initializer=give_way)

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return the result of a function that runs in one of the threads."""
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)
