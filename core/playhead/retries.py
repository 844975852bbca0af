"""Repeated requests: which answers are temporary, and how long to wait before the next try.

See https://opentelemetry.io/docs/specs/otlp/#otlphttp-response, and RFC 9110 about `Retry-After`.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

__all__ = ["TEMPORARY", "Pauses", "retry_after"]

TEMPORARY = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may be accepted later."""


class Pauses:
    """Pauses between the tries of one request: each twice as long as the one before."""

    def __init__(
        self,
        patience: float,
        *,
        first: float = 0.5,
        longest: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the time in which the request is repeated.

        Args:
            patience: Seconds after which it is given up.
            first: Seconds of the first pause.
            longest: Seconds of the longest pause, unless the other side advises a longer one.
            clock: Returns the time in seconds.
        """
        self._clock = clock
        self._deadline = clock() + patience
        self._next = first
        self._longest = longest

    def next(self, advised: float | None = None) -> float | None:
        """Return the seconds to wait now; None if the time would be over then.

        Args:
            advised: Seconds that the other side asks to wait.
        """
        # Random pauses keep several senders from returning at the same moment.
        seconds = self._next * random.uniform(0.8, 1.2) if advised is None else advised
        self._next = min(self._next * 2, self._longest)
        return None if self._clock() + seconds > self._deadline else seconds


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of `Retry-After`, which has seconds or a date; None if it is unusable."""
    value = response.headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
