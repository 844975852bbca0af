"""Filters that select invocations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Filters"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that an invocation must all meet; by default, there are none."""

    statuses: tuple[str, ...] = ()
    """Accepted statuses; see `Status`."""
    service: str | None = None
    """Name of the service."""
    text: str | None = None
    """Text that the id or target contains; case is ignored."""
    before: tuple[datetime, str] | None = None
    """Creation time and id of an invocation; only older ones match."""
    since: datetime | None = None
    """Earliest creation time."""
    invoked_by: str | None = None
    """Id of the calling invocation."""
    id_prefix: str | None = None
    """Beginning of the id."""
