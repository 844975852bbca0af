"""The query of the list: filter, errors only, sort key, order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from playhead.errors import FilterError
from playhead.filters.language import Filter, parse
from playhead.filters.rows import matches
from playhead.model import FAILING, Invocation

__all__ = ["SORTS", "ListQuery", "is_failing"]

_EPOCH = datetime.fromtimestamp(0, UTC)


def _length(row: Invocation) -> float:
    end = row.completed_at or row.modified_at or row.created_at
    return (end - row.created_at).total_seconds()


SORTS: dict[str, Callable[[Invocation], float]] = {
    "age": lambda row: (row.created_at - _EPOCH).total_seconds(),
    "duration": _length,
    "attempts": lambda row: row.attempts_at_least,
    "llm_calls": lambda row: row.llm_calls or 0,
    "tokens": lambda row: row.tokens.total if row.tokens else 0,
    "cost": lambda row: (row.cost.usd or 0.0) if row.cost else 0.0,
}
"""Sort keys by column of `formatting.HEADINGS`; the largest (newest) comes first."""


def is_failing(row: Invocation) -> bool:
    """Return whether the invocation failed, or is failing and being retried."""
    return row.status in FAILING


@functools.lru_cache(maxsize=8)
def _parsed(text: str) -> Filter | None:
    try:
        return parse(text)
    except FilterError:
        return None


@dataclass(frozen=True)
class ListQuery:
    """Filter and order of the list."""

    text: str = ""
    """In the filter language; a text that is wrong matches nothing."""
    errors_only: bool = False
    sort: str = "age"
    reverse: bool = False
    """Smallest (oldest) first."""

    @property
    def needs_search(self) -> bool:
        """Whether the filter has conditions that the columns of a row cannot answer."""
        wanted = _parsed(self.text)
        return wanted is not None and (wanted.needs_store or bool(wanted.texts))

    def matches(self, row: Invocation, now: datetime, *, found: bool = False) -> bool:
        """Return whether the row is shown.

        Args:
            row: The row.
            now: The time from which ages are counted.
            found: Whether a search found it; that decides what its columns cannot answer.
        """
        if self.errors_only and not is_failing(row):
            return False
        wanted = _parsed(self.text)
        if wanted is None:
            return False
        answer = matches(wanted, row, now)
        return found if answer is None else answer

    def apply(
        self,
        rows: Iterable[Invocation],
        now: datetime,
        found: Collection[str] = frozenset(),
    ) -> tuple[Invocation, ...]:
        """Return the rows shown, in order; ties are broken by age and id, so no row jumps.

        Args:
            rows: The rows that were read.
            now: The time from which ages are counted.
            found: Ids of the rows that a search found.
        """
        by = SORTS[self.sort]
        shown = sorted(
            (row for row in rows if self.matches(row, now, found=row.id in found)),
            key=lambda row: row.id,
        )
        shown.sort(key=SORTS["age"], reverse=True)
        shown.sort(key=by, reverse=not self.reverse)
        return tuple(shown)
