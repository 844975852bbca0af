"""Single calls of models and tools, as the figures of agents count them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playhead.errors import FilterError, RecorderError
from playhead.model import CallChoice, Cost
from playhead.reader.reader import Reader
from recorded_store import RecordedStore

TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund"}


def store_of(folder: Path) -> RecordedStore:
    """Return a store with calls of two invocations; one is repeated, one failed, one is open."""
    store = RecordedStore(folder)
    store.invocation("inv_a", "Shop/run")
    store.invocation("inv_b", "Desk/run", created=5)
    once = {"playhead.logical_span_id": "once"}
    store.chat("inv_a", "gpt-4o-mini", (10, 1), agent="shop", attributes=once, start=1,
               status="error")  # fmt: skip
    store.chat("inv_a", "gpt-4o-mini", (3000, 30), agent="shop", attributes=once, start=2)
    store.chat("inv_b", "own", (5000, 5), agent="desk", start=3, seconds=9)
    store.chat(
        "inv_b", "own", (5, 5), agent="desk", start=4, attributes={"playhead.replayed": True}
    )
    store.chat("inv_b", "gpt-4o-mini", (9, 9), agent="desk", start=5,
               attributes={"playhead.interrupted": True})  # fmt: skip
    store.span("inv_a", TOOL, start=6, seconds=0.5)
    store.span("inv_a", TOOL, start=7, seconds=None)
    return store


@pytest.mark.parametrize("built", [True, False])
async def test_calls_are_listed_in_each_order(tmp_path: Path, built: bool) -> None:
    reader = store_of(tmp_path).write(built=built)
    page = await reader.agent_calls()
    assert [(c.name, c.outcome, c.repeated, c.target) for c in page.rows] == [
        ("refund", "not ended", False, "Shop/run"), ("refund", "succeeded", False, "Shop/run"),
        ("gpt-4o-mini", "interrupted", False, "Desk/run"), ("own", "succeeded", False, "Desk/run"),
        ("gpt-4o-mini", "succeeded", True, "Shop/run"),
        ("gpt-4o-mini", "failed", False, "Shop/run"),
    ]  # fmt: skip
    priced = page.rows[4]
    assert (priced.input_tokens, priced.output_tokens) == (3000, 30)
    assert priced.cost is not None
    assert priced.cost.usd == pytest.approx(3000 * 0.15e-6 + 30 * 0.6e-6)
    assert (page.rows[3].cost, page.rows[5].cost, page.rows[0].cost) == (Cost(None, 1), None, None)
    slowest = await reader.agent_calls(order="slowest", limit=1)
    assert ([c.seconds for c in slowest.rows], slowest.more) == ([9.0], True)
    assert (await reader.agent_calls(order="tokens")).rows[0].name == "own"
    assert (await reader.agent_calls(order="cost")).rows[0] == priced


async def test_calls_are_those_that_the_figures_count(tmp_path: Path) -> None:
    reader = store_of(tmp_path).write()
    report = await reader.agents(kinds=("model", "tool"))
    for row in report.rows:
        choice = CallChoice(row.kind if row.kind != "step" else None, row.agent, row.name)

        async def number(**more: Any) -> int:
            return len((await reader.agent_calls(replace(choice, **more))).rows)  # noqa: B023

        counted = Counter(calls=row.calls, errors=row.errors, retries=row.retries)
        assert counted == Counter(
            calls=await number(outcome="succeeded"), errors=await number(outcome="failed"),
            retries=await number(repeated=True),
        )  # fmt: skip
    assert {row.name for row in report.rows} == {"gpt-4o-mini", "own", "refund"}


async def test_calls_of_matching_invocations_only(tmp_path: Path) -> None:
    reader = store_of(tmp_path).write()
    page = await reader.agent_calls(CallChoice("model"), filter="service:Desk")
    assert [call.name for call in page.rows] == ["gpt-4o-mini", "own"]
    assert not (await reader.agent_calls(CallChoice(name="none"))).rows
    with pytest.raises(FilterError):
        await reader.agent_calls(filter="wait:approval")
    with pytest.raises(RecorderError):
        await Reader(None, None).agent_calls()


async def test_each_answer_of_the_llm_server_is_listed_once(reader: Reader, ran: Any) -> None:
    page = await reader.agent_calls(CallChoice("model", outcome="succeeded"), limit=10_000)
    report = await reader.agents(kinds=("model",))
    assert len(page.rows) == sum(row.calls for row in report.rows)
    assert len({(c.trace_id, c.span_id, c.invocation_id, c.index) for c in page.rows}) == len(
        page.rows
    )
    for call in page.rows:
        assert call.invocation_id in ran.ids.values() or call.target
