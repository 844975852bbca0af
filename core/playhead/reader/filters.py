"""Which invocations somebody asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Filters"]


@dataclass(frozen=True, slots=True)
class Filters:
    """All that is given must hold; nothing given means all invocations."""

    statuses: tuple[str, ...] = ()
    """Any of these, in the words of `Status`."""
    service: str | None = None
    text: str | None = None
    """Id or target contains it, in any case."""
    before: tuple[datetime, str] | None = None
    """Older than the invocation of this creation time and id."""
    since: datetime | None = None
    """Created at or after."""
    invoked_by: str | None = None
    """Called by this invocation."""
    id_prefix: str | None = None
    """Its id begins with this."""
