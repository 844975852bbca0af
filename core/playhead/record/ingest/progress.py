"""The progress of the ingest queue, and the share of time that its commits take."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["BusyShare", "IngestProgress", "Waiter"]

RISE_SECONDS = 1.0
"""Time over which the share of commits is averaged while it rises.

Until it has risen, each query waits for the commits before it.
"""
FALL_SECONDS = 5.0
"""The same while it falls: pauses between bursts do not count as rest."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """Someone who waits until requests are visible."""

    target: int
    """Number of requests since the start."""
    future: asyncio.Future[bool]
    """Receives whether they are visible."""
    is_patient: bool
    """Whether to continue to wait while commits fail."""


@dataclass(slots=True)
class IngestProgress:
    """Requests since the start: logged, committed, and visible with their invocation."""

    logged: int = 0
    committed: int = 0
    settled: int = 0
    waiters: list[Waiter] = field(default_factory=lambda: list[Waiter]())

    def wake(self) -> None:
        """Resolve the waiters whose requests are visible."""
        self._resolve([one for one in self.waiters if one.target <= self.settled], settled=True)

    def give_up(self) -> None:
        """Resolve the waiters that do not wait for commits that fail."""
        self._resolve([one for one in self.waiters if not one.is_patient], settled=False)

    def _resolve(self, waiters: Sequence[Waiter], *, settled: bool) -> None:
        for waiter in waiters:
            if not waiter.future.done():
                waiter.future.set_result(settled)
        self.waiters = [waiter for waiter in self.waiters if not waiter.future.done()]


class BusyShare:
    """The share of time spent, averaged over the last seconds."""

    def __init__(self) -> None:
        self._share = 0.0
        self._until = 0.0

    def add(self, began: float, ended: float) -> None:
        """Take a period of work that ended now."""
        whole = max(ended - self._until, 1e-9)
        share = (ended - began) / whole
        old = math.exp(-whole / (RISE_SECONDS if share > self._share else FALL_SECONDS))
        self._share = self._share * old + share * (1 - old)
        self._until = ended

    def share(self, now: float) -> float:
        """Return the share at a time."""
        return self._share * math.exp(-max(now - self._until, 0) / FALL_SECONDS)
