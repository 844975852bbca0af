"""Percentiles by nearest rank, compared with DuckDB's."""

from __future__ import annotations

import random

import duckdb
import pytest
from playhead.percentiles import percentile


def test_the_value_is_one_that_occurred() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.95) == 3.0
    assert percentile([1.0, 2.0], 0.5) == 1.0, "at least half of the values are 1 or less"
    assert percentile(list(range(1, 21)), 0.95) == 19
    assert percentile(list(range(1, 101)), 0.07) == 7, "0.07 * 100 exceeds 7 by a rounding error"


@pytest.mark.parametrize("part", [0.01, 0.07, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0])
def test_sql_has_the_same_rule(part: float) -> None:
    numbers = random.Random(part)
    for size in (1, 2, 3, 10, 19, 20, 21, 100, 101):
        values = [numbers.random() for _ in range(size)]
        [found] = duckdb.execute(
            f"SELECT quantile_disc(value, {part}) FROM (SELECT unnest(?::DOUBLE[]) AS value)",
            [values],
        ).fetchall()
        assert found == (percentile(values, part),)
