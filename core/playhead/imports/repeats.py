"""How many of the imported spans were stored already, from the counts of the recorder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["AFTER_SECONDS", "BEFORE_SECONDS", "Repeats", "count_repeats", "when_committed"]

BEFORE_SECONDS, AFTER_SECONDS = 2.0, 60.0
"""Time to wait until all that was acknowledged is committed, before and after an import."""
POLL_SECONDS = 0.05

Health = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Repeats:
    """Number of spans that were stored already: between two bounds, which are mostly equal."""

    least: int
    most: int

    @property
    def is_exact(self) -> bool:
        """Return whether both bounds are equal."""
        return self.least == self.most


def count_repeats(before: Health | None, after: Health | None, accepted: int) -> Repeats | None:
    """Return how many of the accepted spans were stored already; None if that is unknown.

    The recorder counts what all senders send. What others sent at the same time may be repeated
    as well, so that only bounds are known then.

    Args:
        before: Answer of `GET /health` before the import, when nothing waited to be committed.
        after: The answer when all spans are committed.
        accepted: Number of spans that the recorder accepted from this import.
    """
    if not before or not after or before["started_at"] != after["started_at"]:
        return None
    received, repeated = (
        after[name] - before[name] for name in ("received_spans", "repeated_spans")
    )
    if before["set_aside_requests"] != after["set_aside_requests"]:
        return None
    others = max(received - accepted, 0)
    return Repeats(max(repeated - others, 0), min(repeated, accepted))


def when_committed(health: Callable[[], Health | None], seconds: float) -> Health | None:
    """Return the health of a recorder when nothing waits to be committed.

    Returns None if it does not answer, or if something waits for longer than these seconds.
    """
    deadline = time.monotonic() + seconds
    while (found := health()) and found["waiting_requests"]:
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_SECONDS)
    return found
