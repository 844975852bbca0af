"""How old the figures on screen are, shown once they are older than two seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from playhead.formatting import clock, duration

__all__ = ["FRESH_SECONDS", "SourceAge"]

FRESH_SECONDS = 2.0
"""Age from which it is shown."""


class SourceAge:
    """When the server last answered the reads of a screen."""

    def __init__(
        self, now: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._monotonic = monotonic
        self.answered_at: float | None = None
        """When the last read that was answered started, monotonic; None before the first."""
        self._as_of: datetime | None = None
        self._failed = False
        self._asked_at: float | None = None

    def asked(self) -> None:
        """Note the start of the first read; later calls change nothing."""
        if self._asked_at is None:
            self._asked_at = self._monotonic()

    def answered(self, started: float) -> None:
        """Note a read that was answered.

        Args:
            started: When it started, monotonic: what it says is at least that new.
        """
        if self.answered_at is None or started >= self.answered_at:
            self.answered_at = started
            self._as_of = self._now()
            self._failed = False

    def failed(self) -> None:
        """Note a read that was not answered."""
        self._failed = True

    @property
    def stale_since(self) -> datetime | None:
        """Time of what is on screen when it is older than two seconds; None while it is fresh."""
        return self._as_of if self._as_of and self._seconds > FRESH_SECONDS else None

    def text(self, what: str = "rows") -> str:
        """Return the age as text; empty while it is fresh. Before the first answer, the wait."""
        if self._seconds <= FRESH_SECONDS:
            return ""
        age = duration(self._seconds, coarse=True)
        if self._as_of is None:
            return f"server not answering for {age}"
        if self._failed:
            return f"server not answering for {age}; {what} as of {clock(self._as_of)[:8]}"
        return f"updated {age} ago"

    @property
    def _seconds(self) -> float:
        since = self._asked_at if self.answered_at is None else self.answered_at
        return 0.0 if since is None else self._monotonic() - since
