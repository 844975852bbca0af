"""Options that the sample services share: retries short enough to watch."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Literal

from restate import InvocationRetryPolicy

__all__ = ["VARIABLE", "retries"]

VARIABLE = "PLAYHEAD_RETRY_ATTEMPTS"
"""How many attempts in a row an invocation gets before it is paused; 20 when not set."""


def retries(
    attempts: int | None = None, *, then: Literal["pause", "kill"] = "pause"
) -> InvocationRetryPolicy:
    """Retry after 0.2 s, doubling up to 2 s; after `attempts` in a row, pause or kill."""
    return InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=200),
        exponentiation_factor=2.0,
        max_interval=timedelta(seconds=2),
        max_attempts=attempts or int(os.environ.get(VARIABLE, "20")),
        on_max_attempts=then,
    )
