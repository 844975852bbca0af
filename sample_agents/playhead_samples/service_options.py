"""Options of the sample services: retries with short delays."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Literal

from restate import InvocationRetryPolicy

__all__ = ["VARIABLE", "retries"]

VARIABLE = "PLAYHEAD_RETRY_ATTEMPTS"
"""Number of attempts in a row before an invocation is paused; 20 by default."""


def retries(
    attempts: int | None = None, *, then: Literal["pause", "kill"] = "pause"
) -> InvocationRetryPolicy:
    """Return a policy: retry after 0.2 s, doubling up to 2 s; after `attempts`, pause or kill."""
    return InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=200),
        exponentiation_factor=2.0,
        max_interval=timedelta(seconds=2),
        max_attempts=attempts or int(os.environ.get(VARIABLE, "20")),
        on_max_attempts=then,
    )
