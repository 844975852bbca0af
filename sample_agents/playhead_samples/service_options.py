"""Options that the sample services share: retries short enough to watch."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from restate import InvocationRetryPolicy

__all__ = ["MAX_ATTEMPTS", "retries"]

MAX_ATTEMPTS = 20


def retries(
    attempts: int = MAX_ATTEMPTS, *, then: Literal["pause", "kill"] = "pause"
) -> InvocationRetryPolicy:
    """Retry after 0.2 s, doubling up to 2 s; after `attempts` in a row, pause or kill."""
    return InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=200),
        exponentiation_factor=2.0,
        max_interval=timedelta(seconds=2),
        max_attempts=attempts,
        on_max_attempts=then,
    )
