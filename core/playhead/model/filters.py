"""Filters that select invocations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from playhead.model.invocation import Invocation

__all__ = ["Filters", "matches_words", "words_of"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that an invocation must all meet; by default, there are none."""

    statuses: tuple[str, ...] = ()
    """Accepted statuses; see `Status`."""
    service: str | None = None
    """Name of the service."""
    words: tuple[str, ...] = ()
    """Words in lower case, as `words_of` returns them; each must match (see `matches_words`)."""
    before: tuple[datetime, str] | None = None
    """Creation time and id of an invocation; only older ones match."""
    since: datetime | None = None
    """Earliest creation time."""
    invoked_by: str | None = None
    """Id of the calling invocation."""
    id_prefix: str | None = None
    """Beginning of the id."""


def words_of(text: str | None) -> tuple[str, ...]:
    """Return the words of a search, in lower case."""
    return tuple((text or "").lower().split())


def matches_words(row: Invocation, words: Sequence[str]) -> bool:
    """Return whether each word occurs in the id, target, status or last failure of the row.

    The same rule in SQL: `queries.ids` for the server, `StoredInvocations` for the store.
    """
    columns = "\n".join((row.id, row.target, row.status, row.last_failure or "")).lower()
    return all(word in columns for word in words)
