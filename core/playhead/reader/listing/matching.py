"""Conditions on stored invocations, with what they need from the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from playhead.errors import QueryError
from playhead.filters.language import Filter, parse
from playhead.filters.prices import prices_of, used_models
from playhead.filters.store import (
    StoreCondition,
    Within,
    indexed_texts,
    store_condition,
    stored_only,
)
from playhead.record.client import StoreClient
from playhead.record.shared_requests import together
from playhead.store.calls.call_table import CALL_TABLE, CALLS, IS_BUILT
from playhead.store.figures import FIGURES_BUILT

__all__ = ["Matching", "filter_of", "matching", "unanswerable"]

MOST = 2000
"""Invocations that the text index finds at most; with more, a scan of everything is as fast."""


@dataclass(frozen=True, slots=True)
class Matching:
    """A condition, and the same sources for queries that use it."""

    condition: StoreCondition
    calls: str
    """SELECT of all calls; see `playhead.store.calls.call_table`."""
    prices: str
    """Prices of the models, as JSON."""


async def matching(
    client: StoreClient,
    wanted: Filter,
    now: datetime,
    *,
    live: bool | None = None,
    priced: bool = False,
    within: Within | None = None,
    counted: bool = False,
) -> Matching:
    """Return the condition of a filter on the store's invocations.

    Args:
        client: The store.
        wanted: The filter.
        now: The time from which ages are counted.
        live: Whether the server's rows take precedence; None if the store alone decides.
        priced: Whether prices are needed in any case.
        within: The invocations that are searched; None for those that the text index finds.
        counted: Whether calls are needed in any case.

    Raises:
        FilterError: The store alone decides, and the filter has conditions that are not stored.
        RecorderError: The store cannot be read.
        QueryError: The store was written by an older recorder.
    """
    calls, prices = CALLS, "[]"
    needs_prices = priced or wanted.needs_prices
    if needs_prices or counted or wanted.needs_store:
        with together():  # whether the table is built is known after the request
            built, models = await asyncio.gather(
                client.rows(IS_BUILT),
                client.rows(used_models(CALL_TABLE) if needs_prices else IS_BUILT),
                return_exceptions=True,
            )
        for failed in (built, models):
            if isinstance(failed, BaseException) and not isinstance(failed, QueryError):
                raise failed
        if isinstance(models, list) and isinstance(built, list) and built:
            calls = CALL_TABLE
        elif needs_prices:  # a store that an older recorder wrote, or an archive
            models = await client.rows(used_models(CALLS))
        if needs_prices:
            assert isinstance(models, list)
            prices = prices_of(models)
    if live is None:
        if within is None and (texts := indexed_texts(wanted)):
            found = await client.search(texts, None, MOST)
            if found is not None and found.floor_us is None:
                within = Within(found.ids)
        condition = stored_only(wanted, now, prices=prices, calls=calls, within=within)
    else:
        condition = store_condition(
            wanted, now, live=live, prices=prices, calls=calls, within=within
        )
    return Matching(condition, calls, prices)


def filter_of(wanted: str | Filter | None) -> Filter:
    """Return a filter that may be written in the filter language; None matches everything."""
    return parse(wanted) if isinstance(wanted, str) else wanted or Filter()


def unanswerable(wanted: Filter, *, stored: bool) -> list[str]:
    """Return sentences about the conditions that cannot be checked without a store."""
    if stored:
        return []
    names = [
        term.field.name if term.field else "-text"
        for term in wanted.terms
        if (term.negated if term.field is None else term.field.source == "store")
    ]
    if names:
        return [f"Without a recorder, {', '.join(dict.fromkeys(names))} cannot be checked."]
    if wanted.texts:
        return ["Without a recorder, text is searched in id, target, status and last failure only."]
    return []


async def figures_built(client: StoreClient) -> bool:
    """Return whether the store has figures of invocations; see `playhead.store.figures`.

    Raises:
        RecorderError: The store cannot be read.
    """
    try:
        return bool(await client.rows(FIGURES_BUILT))
    except QueryError:  # a store that an older recorder wrote
        return False
