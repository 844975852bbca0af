"""Attempts: executions of a handler, as the server counts them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["Attempt", "AttemptOutcome"]

AttemptOutcome = Literal["completed", "failed", "suspended", "running", "interrupted"]


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
