"""The progress of the ingest queue, and the share of time that its commits take."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

__all__ = ["BusyShare", "IngestProgress"]

BUSY_SECONDS = 5.0
"""Time over which the share of commits is averaged."""


@dataclass(slots=True)
class IngestProgress:
    """Requests since the start: logged, committed, and visible with their invocation."""

    logged: int = 0
    committed: int = 0
    settled: int = 0
    waiters: list[tuple[int, asyncio.Future[None]]] = field(
        default_factory=lambda: list[tuple[int, asyncio.Future[None]]]()
    )

    def wake(self) -> None:
        """Resolve the waiters whose requests are visible."""
        for target, future in self.waiters:
            if target <= self.settled and not future.done():
                future.set_result(None)
        self.waiters = [(target, future) for target, future in self.waiters if not future.done()]


class BusyShare:
    """The share of time spent, averaged over the last seconds."""

    def __init__(self) -> None:
        self._share = 0.0
        self._until = 0.0

    def add(self, began: float, ended: float) -> None:
        """Take a period of work that ended now."""
        whole = max(ended - self._until, 1e-9)
        old = math.exp(-whole / BUSY_SECONDS)
        self._share = self._share * old + (ended - began) / whole * (1 - old)
        self._until = ended

    def share(self, now: float) -> float:
        """Return the share at a time."""
        return self._share * math.exp(-max(now - self._until, 0) / BUSY_SECONDS)
