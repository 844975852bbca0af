"""SQL that prices calls with a list of prices as JSON."""

from __future__ import annotations

import json

from playhead.prices import PRICE_COLUMNS

__all__ = ["PRICES_CTE", "price_join"]

PRICES_CTE = (
    f"price AS MATERIALIZED (SELECT unnest(from_json(?::JSON, '{json.dumps([PRICE_COLUMNS])}'),"
    " recursive := true))"
)
"""The CTE `price`; its parameter is the JSON of `prices_of`."""


def price_join(call: str) -> str:
    """Return the join of a call with its price, for `COST_SQL`.

    Args:
        call: Alias of the calls, with the columns of the view `llm_calls`.
    """
    tokens = f"coalesce({call}.input_tokens, 0)"
    return (
        f"LEFT JOIN price ON price.model = {call}.model"
        f" AND price.provider = coalesce({call}.provider, '')"
        f" AND epoch_us({call}.started_at) >= price.since"
        f" AND epoch_us({call}.started_at) < price.until"
        f" AND {tokens} > price.over AND {tokens} <= price.most"
    )
