"""The parts of an invocation's time, as sums and as intervals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["Phase", "PhaseKind", "Times"]

PhaseKind = Literal["scheduled", "queued", "running", "suspended", "backoff"]


@dataclass(frozen=True, slots=True)
class Phase:
    """An interval that an invocation spent in one way; see `Times` for the ways."""

    kind: PhaseKind
    started_at: datetime
    ended_at: datetime | None
    """None while it lasts."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that an invocation spent in each way; None when the part is unknown.

    The parts do not overlap. While the invocation has not ended, the current part grows.
    """

    scheduled: float | None = None
    """From its creation to the time for which it was scheduled."""
    queued: float | None = None
    """Waiting for the lock of its virtual object, or for its first attempt."""
    running: float | None = None
    """Executing attempts."""
    suspended: float | None = None
    """Suspended: waiting for a result without an attempt."""
    backoff: float | None = None
    """Waiting for the next attempt after a failed one, or paused."""
