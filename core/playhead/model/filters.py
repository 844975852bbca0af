"""Filters that select invocations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Filters"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that an invocation must meet, all of them; by default none."""

    statuses: tuple[str, ...] = ()
    """Its status is one of these; see `Status`."""
    service: str | None = None
    """It runs in this service."""
    text: str | None = None
    """Its id or target contains this text, in any case."""
    before: tuple[datetime, str] | None = None
    """It is older than the invocation of this creation time and id."""
    since: datetime | None = None
    """It was created at this time or later."""
    invoked_by: str | None = None
    """It was called by the invocation of this id."""
    id_prefix: str | None = None
    """Its id begins with this text."""
