"""How long upkeep that can wait leaves a busy recorder alone."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Patience"]


class Patience:
    """Lets a busy recorder have the processor, but not forever."""

    def __init__(
        self, busy: Callable[[], bool], seconds: float, clock: Callable[[], float]
    ) -> None:
        """Start without having waited.

        Args:
            busy: Returns whether processor time is scarce.
            seconds: Time for which a recorder that stays busy is left alone.
            clock: Monotonic time in seconds.
        """
        self._busy = busy
        self._seconds = seconds
        self._clock = clock
        self._busy_since: float | None = None

    def leaves_alone(self) -> bool:
        """Return whether the recorder is busy, and has not been for long."""
        now = self._clock()
        if not self._busy():
            self._busy_since = None
            return False
        if self._busy_since is None:
            self._busy_since = now
        return now - self._busy_since < self._seconds
