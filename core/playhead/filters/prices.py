"""SQL that prices calls with a list of prices as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from playhead.prices import PRICE_COLUMNS, price_list

__all__ = ["PRICES_CTE", "price_join", "prices_of", "used_models"]

PRICES_CTE = (
    f"price AS MATERIALIZED (SELECT unnest(from_json(?::JSON, '{json.dumps([PRICE_COLUMNS])}'),"
    " recursive := true))"
)
"""The CTE `price`; its parameter is the JSON of `prices_of`."""


def used_models(calls: str) -> str:
    """Return the SELECT of providers and models of answered calls, with their days.

    Args:
        calls: SELECT of all calls; see `playhead.store.calls.call_table`.
    """
    return (
        "SELECT provider, model, strftime(make_timestamp(day * 86400000000), '%Y-%m-%d') AS day"
        " FROM (SELECT DISTINCT provider, name AS model, started_us // 86400000000 AS day"
        f" FROM ({calls}) WHERE kind = 'model' AND succeeded)"
    )


def prices_of(used: Iterable[Mapping[str, Any]]) -> str:
    """Return the prices of the rows of `used_models`, as JSON."""
    days = ((row["provider"], row["model"], date.fromisoformat(str(row["day"]))) for row in used)
    return json.dumps([asdict(row) for row in price_list(days)])


def price_join(call: str) -> str:
    """Return the join of a call with its price, for `COST_SQL`.

    Args:
        call: Alias of the calls.
    """
    tokens = f"coalesce({call}.input_tokens, 0)"
    return (
        f"LEFT JOIN price ON price.model = {call}.name"
        f" AND price.provider = coalesce({call}.provider, '')"
        f" AND {call}.started_us >= price.since AND {call}.started_us < price.until"
        f" AND {tokens} > price.over AND {tokens} <= price.most"
    )
