"""The cost of LLM calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from playhead.model import Cost, LlmCall
from playhead.prices import cost_of

__all__ = ["PricedCall", "priced_call", "total_cost"]


@dataclass(frozen=True, slots=True)
class PricedCall:
    """What the price of an LLM call depends on; see `cost_of`."""

    provider: str | None
    model: str | None
    at: datetime
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


def priced_call(call: LlmCall, at: datetime | None) -> PricedCall | None:
    """Return what the price of a decoded call depends on; None if its time is unknown."""
    if at is None:
        return None
    return PricedCall(
        provider=call.provider,
        model=call.model,
        at=at,
        input_tokens=call.tokens.input if call.tokens else None,
        output_tokens=call.tokens.output if call.tokens else None,
        cache_read_tokens=call.cache_read_tokens,
        cache_write_tokens=call.cache_write_tokens,
    )


def total_cost(calls: Iterable[PricedCall | None]) -> Cost:
    """Return the cost of all calls; without any, 0 dollars."""
    prices = [
        None
        if call is None
        else cost_of(
            call.provider,
            call.model,
            call.at,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            cache_read_tokens=call.cache_read_tokens,
            cache_write_tokens=call.cache_write_tokens,
        )
        for call in calls
    ]
    known = [price for price in prices if price is not None]
    return Cost(sum(known) if known or not prices else None, prices.count(None))
