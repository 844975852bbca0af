"""Prices of LLM calls, from the data of the package genai-prices; nothing is downloaded.

`cost_of` prices one call. `price_list` returns the same prices as rows, so that SQL can price many
calls at once.
"""

from __future__ import annotations

import functools
import itertools
import os
import threading
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from playhead.kept_prices import KeptPrices
from playhead.values import as_list

__all__ = ["COST_SQL", "PRICE_COLUMNS", "PriceRow", "cost_of", "keep_prices", "price_list"]

_NO_LIMIT = 1 << 62
_KINDS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
_SLOT = timedelta(minutes=15)
"""Grid of the prices that depend on the time of day."""
_NO_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_importing = threading.Lock()
_kept: KeptPrices | None = None


@dataclass(frozen=True, slots=True)
class PriceRow:
    """Prices in US dollars for one model, one period and one size of the prompt."""

    provider: str
    """Empty if the call has no provider."""
    model: str
    since: int
    """Start of the period, in microseconds since 1970."""
    until: int
    """End of the period, exclusive."""
    over: int
    """The prompt has more tokens than this."""
    most: int
    """The prompt has at most this many tokens."""
    input: float
    """Per token, as are the next three."""
    output: float
    cache_read: float
    cache_write: float
    request: float
    """Per request."""


PRICE_COLUMNS = {
    "provider": "VARCHAR", "model": "VARCHAR", "since": "BIGINT", "until": "BIGINT",
    "over": "BIGINT", "most": "BIGINT", "input": "DOUBLE", "output": "DOUBLE",
    "cache_read": "DOUBLE", "cache_write": "DOUBLE", "request": "DOUBLE",
}  # fmt: skip
"""DuckDB types of the columns of a `PriceRow`."""
_NAMES = ("provider", "model")
"""Its first fields, which are no numbers."""

COST_SQL = """CASE
  WHEN price.model IS NULL OR (call.input_tokens IS NULL AND call.output_tokens IS NULL)
    OR coalesce(call.cache_read_tokens, 0) + coalesce(call.cache_write_tokens, 0)
      > coalesce(call.input_tokens, 0) THEN NULL
  ELSE price.request + coalesce(call.output_tokens, 0) * price.output
    + coalesce(call.cache_read_tokens, 0) * price.cache_read
    + coalesce(call.cache_write_tokens, 0) * price.cache_write
    + (coalesce(call.input_tokens, 0) - coalesce(call.cache_read_tokens, 0)
      - coalesce(call.cache_write_tokens, 0)) * price.input END"""
"""The same as `cost_of`, over a row `call` and the row `price` that belongs to it."""


def cost_of(
    provider: str | None,
    model: str | None,
    at: datetime,
    *,
    input_tokens: int | None,
    output_tokens: int | None,
    cache_read_tokens: int | None = None,
    cache_write_tokens: int | None = None,
) -> float | None:
    """Return the price of an LLM call in US dollars; None if it is unknown.

    Args:
        provider: The provider, as in `gen_ai.provider.name`; None to find it by the model.
        model: The model that answered.
        at: When the request was sent; prices change.
        input_tokens: All tokens of the prompt, cached ones included.
        output_tokens: All tokens of the answer, reasoning included.
        cache_read_tokens: Tokens of the prompt that were read from the provider's cache.
        cache_write_tokens: Tokens of the prompt that were written to the cache.
    """
    if not model or (input_tokens is None and output_tokens is None):
        return None
    prompt, answer = input_tokens or 0, output_tokens or 0
    read, write = cache_read_tokens or 0, cache_write_tokens or 0
    if read + write > prompt:
        return None
    moment = _microseconds(at)
    for row in _rows_of_day(provider, model, at.astimezone(UTC).date()):
        if row.since <= moment < row.until and row.over < prompt <= row.most:
            plain = (prompt - read - write) * row.input + answer * row.output
            return plain + read * row.cache_read + write * row.cache_write + row.request
    return None


def price_list(used: Iterable[tuple[str | None, str | None, date]]) -> list[PriceRow]:
    """Return the prices of models on some days, without those that are unknown.

    Args:
        used: Provider and model of the calls, and their days in UTC.
    """
    rows: list[PriceRow] = []
    for provider, model, day in sorted(set(used), key=str):
        if model:
            rows += _rows_of_day(provider, model, day)
    return rows


def keep_prices(folder: Path) -> None:
    """Keep prices in a file of this folder, so that later processes do not import the package."""
    global _kept
    if _kept is None or _kept.folder != folder:
        width = len(PRICE_COLUMNS) - len(_NAMES)
        _kept = KeptPrices(folder, sources=[Path(__file__)], width=width)


@functools.lru_cache(maxsize=4096)
def _rows_of_day(provider: str | None, model: str, day: date) -> tuple[PriceRow, ...]:
    key = (provider or "", model, day.isoformat())
    if _kept is None:
        return _computed_rows(provider, model, day)
    kept = _kept.get(*key)
    if kept is not None:
        return tuple(PriceRow(provider or "", model, *row) for row in kept)  # pyright: ignore[reportArgumentType]
    rows = _computed_rows(provider, model, day)
    _kept.put(tuple(astuple(row)[len(_NAMES) :] for row in rows), *key)
    return rows


def _computed_rows(provider: str | None, model: str, day: date) -> tuple[PriceRow, ...]:
    start = datetime.combine(day, time(), UTC)
    found = _price(provider, model, start)
    if found is None:
        return ()
    length = _SLOT if _by_time_of_day(found.model) else timedelta(days=1)
    rows: list[PriceRow] = []
    at = start
    while at < start + timedelta(days=1):
        found = _price(provider, model, at)
        if found is not None and not _unusual(found.model_price):
            since = _microseconds(at)
            rows += _rows(provider, model, found.model_price, since, _microseconds(at + length))
        at += length
    return tuple(rows)


def _rows(
    provider: str | None, model: str, price: Any, since: int, until: int
) -> Iterable[PriceRow]:
    prices = {kind: getattr(price, kind) for kind in _KINDS}
    starts = {tier.start for one in prices.values() for tier in getattr(one, "tiers", ())}
    edges = [-1, *sorted(starts), _NO_LIMIT]
    for over, most in itertools.pairwise(edges):
        rates = {kind: _rate(one, most) for kind, one in prices.items()}
        prompt = rates["input_mtok"] or 0.0
        read, write = rates["cache_read_mtok"], rates["cache_write_mtok"]
        yield PriceRow(
            provider=provider or "",
            model=model,
            since=since,
            until=until,
            over=over,
            most=most,
            input=prompt,
            output=rates["output_mtok"] or 0.0,
            cache_read=prompt if read is None else read,
            cache_write=prompt if write is None else write,
            request=float(price.requests_kcount or 0) / 1000,
        )


def _rate(price: Any, most: int) -> float | None:
    """Return the price of a token in prompts of this size."""
    if price is None:
        return None
    if not isinstance(price, Decimal):
        reached = [tier.price for tier in price.tiers if most > tier.start]
        price = reached[-1] if reached else price.base
    return float(price) / 1e6


def _price(provider: str | None, model: str, at: datetime) -> Any:
    """Return the package's answer for a request at this time; None if the model is unknown."""
    package = _package()
    try:
        return package.calc_price(
            package.Usage(input_tokens=0),
            model_ref=model,
            provider_id=provider or None,
            genai_request_timestamp=at,
        )
    except LookupError:
        return None


@functools.cache
def _package() -> Any:
    """Import genai_prices, which takes time and memory that only stores with LLM calls have to pay.

    Pydantic builds the types of the prices without its plugins: Logfire's alone, which is installed
    with many agents, takes as much time and memory as the prices.
    """
    with _importing:
        before = os.environ.get(_NO_PLUGINS)
        os.environ[_NO_PLUGINS] = "__all__"
        try:
            import genai_prices
        finally:
            if before is None:
                del os.environ[_NO_PLUGINS]
            else:
                os.environ[_NO_PLUGINS] = before
    return genai_prices


def _unusual(price: Any) -> bool:
    """Return whether the price does not depend on the tokens of text."""
    return price.input_mtok is None and price.output_mtok is None


def _by_time_of_day(model: Any) -> bool:
    conditions = as_list(model.prices)
    return any(hasattr(one.constraint, "start_time") for one in conditions)


def _microseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
