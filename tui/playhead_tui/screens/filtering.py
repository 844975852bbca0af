"""The filter language on a screen: what is wrong with a text, and how it can continue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from playhead.model import Invocation

if TYPE_CHECKING:
    from playhead.filters.completion import Completion

__all__ = ["FILTER_HINT", "complete", "known_values", "problem", "without_last"]

FILTER_HINT = "Words, or fields such as status:failed tokens>1000; tab completes"
KEYS = 200
"""Keys of virtual objects that completion offers."""


def problem(text: str) -> str | None:
    """Return what is wrong with a filter, in one line."""
    from playhead.errors import FilterError
    from playhead.filters.language import parse

    try:
        parse(text)
    except FilterError as error:
        return error.short
    return None


def complete(text: str, known: Mapping[str, Sequence[str]]) -> Completion:
    """Return how a filter can continue."""
    from playhead.filters.completion import complete as completed

    return completed(text, known)


def without_last(text: str) -> str:
    """Return a filter without its last condition, which is being typed."""
    from playhead.filters.completion import last_condition

    return text[: last_condition(text)]


def known_values(rows: Iterable[Invocation]) -> dict[str, list[str]]:
    """Return values for completion that some invocations have, by field."""
    rows = list(rows)
    return {
        "service": sorted({row.service for row in rows}),
        "handler": sorted({row.handler for row in rows}),
        "key": sorted({row.key for row in rows if row.key})[:KEYS],
    }
