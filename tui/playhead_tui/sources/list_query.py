"""The query of the list: filter, errors only, sort key, order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from playhead.model import FAILING, Invocation
from playhead.model.filters import matches_words, words_of

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
}
"""Sort keys by column of `formatting.HEADINGS`; the largest (newest) comes first."""


def is_failing(row: Invocation) -> bool:
    """Return whether the invocation failed, or is failing and being retried."""
    return row.status in FAILING


@dataclass(frozen=True)
class ListQuery:
    """Filter and order of the list."""

    text: str = ""
    errors_only: bool = False
    sort: str = "age"
    reverse: bool = False
    """Smallest (oldest) first."""

    def matches(self, row: Invocation) -> bool:
        """Return whether the row is shown: each word of the filter must occur in a column."""
        if self.errors_only and not is_failing(row):
            return False
        return matches_words(row, words_of(self.text))

    def apply(self, rows: Iterable[Invocation]) -> tuple[Invocation, ...]:
        """Return the rows shown, in order; ties are broken by age and id, so no row jumps."""
        by = SORTS[self.sort]
        shown = sorted((row for row in rows if self.matches(row)), key=lambda row: row.id)
        shown.sort(key=SORTS["age"], reverse=True)
        shown.sort(key=by, reverse=not self.reverse)
        return tuple(shown)
