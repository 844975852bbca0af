"""The query of the list: filter, errors only, sort key, order."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from playhead.errors import FilterError
from playhead.filters.language import Filter, parse
from playhead.filters.rows import matches
from playhead.kept_values import KeptValues
from playhead.model import FAILING, Invocation, Order, SortKey
from playhead.saved_views import SavedView

__all__ = ["ListQuery", "is_failing"]


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
    sort: SortKey = "age"
    reverse: bool = False
    """Smallest (oldest) first; texts from Z to A."""

    @classmethod
    def of(cls, view: SavedView) -> ListQuery:
        """Return the query of a view."""
        return cls(view.filter, sort=view.sort, reverse=view.reverse)

    @classmethod
    def kept(cls, values: KeptValues) -> ListQuery:
        """Return the query that was kept; a filter that is wrong is left out."""
        kept = values.texts("list")
        sort: SortKey = next((k for k in get_args(SortKey) if k == kept.get("sort")), "age")
        text = kept.get("filter", "")
        return cls(
            text if not text or _parsed(text) is not None else "",
            errors_only=kept.get("errors") == "yes",
            sort=sort,
            reverse=kept.get("reverse") == "yes",
        )

    def to_keep(self) -> dict[str, str]:
        """Return the texts to keep."""
        return {
            "filter": self.text, "errors": "yes" if self.errors_only else "",
            "sort": self.sort, "reverse": "yes" if self.reverse else "",
        }  # fmt: skip

    @property
    def order(self) -> Order:
        """The order."""
        return Order(self.sort, self.reverse)

    @property
    def conditions(self) -> str:
        """All conditions in the filter language."""
        return " ".join(filter(None, ("status:failing" if self.errors_only else "", self.text)))

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
        last: str | None = None,
    ) -> tuple[Invocation, ...]:
        """Return the rows shown, in order; ties are broken by age and id, so no row jumps.

        Args:
            rows: The rows that were read.
            now: The time from which ages are counted.
            found: Ids of the rows that a search found.
            last: Row down to which the order has no gap; those after it are not shown.
        """
        every = not (self.errors_only or self.text)
        shown = [row for row in rows if every or self.matches(row, now, found=row.id in found)]
        self.order.apply(shown, now)
        end = next((place for place, row in enumerate(shown, 1) if row.id == last), None)
        return tuple(shown[:end])
