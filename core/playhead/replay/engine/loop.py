"""An event loop with instant timers and a callback for the moment when all tasks wait."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["ReplayLoop"]

_THREAD_SECONDS = 0.2
_SELECT_EVERY = 64
_MOST_SKIPS = 10_000
"""Maximum number of skipped timers; more of them mean an endless timer loop."""


class ReplayLoop(asyncio.SelectorEventLoop):
    """The event loop of a handler in a replay.

    When no callback is ready, the clock jumps to the next timer unless `may_skip` returns false: an
    `asyncio.sleep` in a handler takes no time. Without timers it calls `on_idle`.
    """

    def __init__(self) -> None:
        self.on_idle: Callable[[], bool] | None = None
        """Returns whether it scheduled something, or stopped the loop."""
        self.busy = 0
        """Number of closures that run for real; time passes meanwhile."""
        self.may_skip: Callable[[], bool] = lambda: True
        """Returns whether timers may fire now."""
        self._skipped = 0.0
        self._skips = 0
        self._in_threads = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Return the loop's clock in seconds, with the skipped time added."""
        return super().time() + self._skipped

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Run a function as asyncio does; meanwhile the loop does not count as idle."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._left_thread)
        return future

    def idle(self, timeout: float | None) -> bool:
        """Return whether to continue at once, given that nothing is ready until `timeout`."""
        if self._in_threads or self.busy:
            return False
        if timeout is not None and self._skips < _MOST_SKIPS and self.may_skip():
            self._skips += 1
            self._skipped += timeout
            return True
        return self.on_idle is not None and self.on_idle()

    def _left_thread(self, _: object) -> None:
        self._in_threads -= 1


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: ReplayLoop) -> None:
        super().__init__()
        self._loop = loop
        self._skipped = 0
        self._others = frozenset(threading.enumerate())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            # Callbacks are ready, and in a replay nothing arrives from outside: select rarely.
            self._skipped += 1
            return [] if self._skipped % _SELECT_EVERY else super().select(timeout)
        # Threads that the handler started (such as anyio's) may be about to call back.
        started = any(t not in self._others for t in threading.enumerate())
        patience = _THREAD_SECONDS if started else 0.0
        if timeout is not None:
            patience = min(patience, timeout)
        events = super().select(patience)
        if events or self._loop.idle(timeout):
            return events
        return super().select(timeout)
