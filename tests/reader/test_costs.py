"""Costs of invocations: sums of priced calls, and what they leave out."""

from __future__ import annotations

from pathlib import Path

import pytest
from playhead.model import Cost
from playhead.reader.reader import Reader
from recorded_store import RecordedStore

MILLION = 1_000_000


@pytest.fixture(params=[True, False])
def priced(tmp_path: Path, request: pytest.FixtureRequest) -> Reader:
    """gpt-4o-mini costs $0.15 and $0.60 for a million tokens, $0.075 if cached."""
    store = RecordedStore(tmp_path)
    for n, id_ in enumerate(("inv_both", "inv_cached", "inv_partly", "inv_unknown", "inv_none")):
        store.invocation(id_, created=n)
    store.chat("inv_both", "gpt-4o-mini", (MILLION, 0))
    store.chat("inv_both", "gpt-4o-mini-2024-07-18", (0, MILLION))
    store.chat("inv_both", "gpt-4o-mini", (MILLION, 0), status="error")
    store.chat("inv_both", "gpt-4o-mini", (9, 9), attributes={"playhead.replayed": True})
    cached = {"gen_ai.usage.cache_read.input_tokens": MILLION}
    store.chat("inv_cached", "gpt-4o-mini", (MILLION, 0), attributes=cached)
    store.chat("inv_partly", "gpt-4o-mini", (MILLION, 0), provider=None)
    store.chat("inv_partly", "my-own-model", (MILLION, 0))
    store.chat("inv_unknown", "my-own-model", (MILLION, 0))
    return store.write(built=request.param)


async def test_costs_are_sums_of_answered_calls(priced: Reader) -> None:
    rows = {row.id: row for row in (await priced.invocations()).rows}
    for id_, usd, unpriced in (
        ("inv_both", 0.75, 0),
        ("inv_cached", 0.075, 0),
        ("inv_partly", 0.15, 1),
    ):
        cost = rows[id_].cost
        assert cost is not None
        assert (cost.usd, cost.unpriced_calls) == (pytest.approx(usd), unpriced)
    assert rows["inv_unknown"].cost == Cost(None, 1)
    assert rows["inv_none"].cost is None


async def test_the_detail_has_the_cost_of_the_list(priced: Reader) -> None:
    for row in (await priced.invocations()).rows:
        detail = await priced.invocation(row.id)
        assert detail is not None
        if row.cost is not None:
            assert detail.summary.cost == row.cost


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("cost>0.1", {"inv_both", "inv_partly"}),
        ("cost>=$0.7", {"inv_both"}),
        ("cost<0.1", {"inv_cached"}),
        # What exceeds an amount with the known prices exceeds it; for the rest, nothing is known.
        ("-cost>0.1", {"inv_cached"}),
        ("-cost<0.1", {"inv_both", "inv_partly"}),
    ],
)
async def test_filters_compare_costs(priced: Reader, text: str, ids: set[str]) -> None:
    assert {row.id for row in (await priced.invocations(filter=text)).rows} == ids
