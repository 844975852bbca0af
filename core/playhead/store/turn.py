"""The turn of writers: one at a time, and the one that has it can see whether others wait."""

from __future__ import annotations

import threading
from types import TracebackType

__all__ = ["Turn"]


class Turn:
    """A lock, for `with`. One thread may take it and another one give it back."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0

    @property
    def is_wanted(self) -> bool:
        """Whether others wait for it."""
        return self._waiting > 0

    def __enter__(self) -> None:
        if self._lock.acquire(blocking=False):
            return
        self._count(1)
        try:
            self._lock.acquire()
        finally:
            self._count(-1)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def _count(self, more: int) -> None:
        with self._counting:
            self._waiting += more
