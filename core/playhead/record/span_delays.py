"""How long the senders of spans wait before they send them."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from math import ceil

from playhead.store.schema import SPAN_COLUMNS
from playhead.store.span_writer import SpanRow

__all__ = ["SpanDelays"]

REQUESTS = 20
"""Newest requests of each service that are kept."""
SERVICE = list(SPAN_COLUMNS).index("service_name")
END = list(SPAN_COLUMNS).index("end_unix_nano")
ROWS = 32
"""Spans of a request that are looked at; the first ones ended first."""


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

    def note(self, rows: Sequence[SpanRow]) -> None:
        """Take the oldest finished span of a request that has just arrived, by service."""
        ends: dict[str, int] = {}
        for row in rows[:ROWS]:
            service, end = row[SERVICE], row[END]
            if isinstance(service, str) and isinstance(end, int):
                ends[service] = min(ends.get(service, end), end)
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
