"""How long the senders of spans wait before they send them."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from math import ceil

__all__ = ["SpanDelays"]

REQUESTS = 20
"""Newest requests of each service that are kept."""


class SpanDelays:
    """The time from a span's end to its arrival, by service, over the newest requests.

    The clocks of sender and recorder must agree.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start without requests.

        Args:
            clock: Seconds since the epoch.
        """
        self._clock = clock
        self._seconds: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REQUESTS))

    def note(self, ends: Mapping[str, int]) -> None:
        """Take the earliest end of a request that has just arrived, by service.

        Args:
            ends: Nanoseconds since 1970.
        """
        now = self._clock()
        for service, end in ends.items():
            self._seconds[service].append(now - end / 1e9)

    def upper_quartiles(self) -> dict[str, float]:
        """Return the upper quartile of the delays of each service, in seconds.

        A sender that sends every five seconds delays a span by any time up to five seconds, so
        the median would show half of it.
        """
        return {
            service: round(sorted(delays)[ceil(0.75 * len(delays)) - 1], 3)
            for service, delays in list(self._seconds.items())
        }
