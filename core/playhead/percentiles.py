"""Percentiles by nearest rank: always a value that occurred."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

__all__ = ["percentile"]


def percentile(values: Sequence[float], part: float) -> float | None:
    """Return the smallest value with at least `part` of all values at or below it; None if empty.

    This is the value at place ceil(part * n) of the n values in order, counted from 1, as DuckDB's
    `quantile_disc(value, part)` returns it.

    Args:
        values: In any order.
        part: Above 0, at most 1.
    """
    if not values:
        return None
    # The product may exceed a whole number by a rounding error: 0.07 * 100 is 7.000000000000001.
    place = ceil(round(part * len(values), 9))
    return sorted(values)[max(place, 1) - 1]
