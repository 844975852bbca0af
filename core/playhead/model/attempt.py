"""Attempts: executions of a handler, as the server counts them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["Attempt", "AttemptOutcome"]

AttemptOutcome = Literal[
    "completed", "terminal error", "cancelled", "killed", "failed", "suspended", "interrupted",
    "running", "end not recorded",
]  # fmt: skip
"""How an attempt ended, in the words of every view.

`failed` is followed by a retry or a pause; `terminal error` and `cancelled` ended the invocation.
`interrupted` is an attempt that the server cut off; `end not recorded` one that has only spans of
agents.
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of the handler, from the server's `invocation-attempt` span."""

    number: int
    """From 1, in order of start."""
    span_id: str
    started_at: datetime
    ended_at: datetime | None
    outcome: AttemptOutcome
    error: str | None = None
    """Message of the error that ended a failed attempt, where the server kept it."""
