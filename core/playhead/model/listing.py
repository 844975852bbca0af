"""Orders, groups and totals of many invocations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from playhead.model.invocation import Invocation
from playhead.model.llm import Cost, Tokens
from playhead.model.status import Status

__all__ = [
    "GROUP_KEYS",
    "SORTS",
    "Activity",
    "GroupKey",
    "InvocationGroup",
    "InvocationGroups",
    "Order",
    "SortKey",
    "Totals",
]

SortKey = Literal[
    "age", "duration", "attempts", "llm_calls", "tokens", "cost", "status", "target"
]  # fmt: skip
GroupKey = Literal["service", "status", "error", "key"]
GROUP_KEYS: tuple[GroupKey, ...] = get_args(GroupKey)


def _seconds(row: Invocation, now: datetime) -> float:
    end = row.completed_at or (row.modified_at if row.status == "gone" else None) or now
    return (end - row.created_at).total_seconds()


SORTS: Mapping[SortKey, Callable[[Invocation, datetime], Any]] = {
    "age": lambda row, now: row.created_at.timestamp(),
    "duration": _seconds,
    "attempts": lambda row, now: row.attempts_at_least,
    "llm_calls": lambda row, now: row.llm_calls or 0,
    "tokens": lambda row, now: row.tokens.total if row.tokens else 0,
    "cost": lambda row, now: (row.cost.usd or 0.0) if row.cost else 0.0,
    "status": lambda row, now: row.status,
    "target": lambda row, now: row.target,
}
"""Value that each order compares; figures that were not recorded count as 0."""
_TEXTS: tuple[SortKey, ...] = ("status", "target")


@dataclass(frozen=True, slots=True)
class Order:
    """An order of invocations; ties are broken by age and id."""

    sort: SortKey = "age"
    reverse: bool = False
    """Smallest (oldest) first; for texts, from Z to A."""

    @property
    def ascending(self) -> bool:
        """Whether the smallest value comes first."""
        return self.reverse is not (self.sort in _TEXTS)

    @property
    def newest_first(self) -> bool:
        """Whether it is the order in which invocations are read page by page."""
        return self.sort == "age" and not self.reverse

    def apply(self, rows: list[Invocation], now: datetime) -> None:
        """Sort rows in place.

        Args:
            rows: The rows.
            now: The time up to which durations grow.
        """
        rows.sort(key=lambda row: (row.created_at, row.id), reverse=True)
        if self.newest_first:
            return
        by = SORTS[self.sort]
        rows.sort(key=lambda row: by(row, now), reverse=not self.ascending)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all invocations that match, not only those that were read."""

    invocations: int
    by_status: Mapping[Status, int] = field(default_factory=lambda: dict[Status, int]())
    llm_calls: int | None = None
    """None without a recorder, as are tokens and cost."""
    tokens: Tokens | None = None
    cost: Cost | None = None
    complete: bool = True
    """False while the recorder has not copied all invocations from the server."""
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""


@dataclass(frozen=True, slots=True)
class InvocationGroup:
    """Invocations with the same service, status, error or key."""

    name: str
    """The common value; empty if they have none."""
    totals: Totals
    first_at: datetime
    """When the first of them was created."""
    last_at: datetime


@dataclass(frozen=True, slots=True)
class InvocationGroups:
    """Groups of invocations, the largest first."""

    by: GroupKey
    groups: tuple[InvocationGroup, ...]
    total: int
    """Number of groups, also of those that were left out."""
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""


@dataclass(frozen=True, slots=True)
class Activity:
    """Invocations that were started, and that failed, in each of the last minutes."""

    since: datetime
    """Start of the first minute."""
    started: tuple[int, ...]
    """Number of invocations that were created, by minute; the last minute has not ended."""
    failed: tuple[int, ...]
    """Number of invocations that ended as `failed`, by minute."""
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""
