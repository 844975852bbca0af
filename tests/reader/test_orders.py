"""Orders, groups and totals over everything that is stored, compared with what was stored."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from journal_fixtures import Handlers
from playhead.errors import FilterError
from playhead.model import GROUP_KEYS, SORTS, Cost, Order, SortKey, Tokens
from playhead.reader.reader import Reader
from playhead.record.client import StoreClient
from playhead.restate.client import RestateClient
from recorded_store import RecordedStore, at

RUNNING: dict[str, Any] = {"status": "running", "completion_result": None, "completed_at": None}


def a_store(folder: Path) -> RecordedStore:
    store = RecordedStore(folder)
    for number in range(40):
        id_ = store.invocation(
            f"inv_{number:02}", f"{'Shop' if number % 3 else 'Desk/u1'}/run", created=number,
            completed_at=at(number + (number * 7) % 40),
        )  # fmt: skip
        for call in range((number * 11) % 5):
            store.chat(id_, "gpt-4o-mini" if number % 2 else "own", (number * 100, call))
    return store


@pytest.mark.parametrize("built", [True, False])
async def test_the_first_rows_of_every_order_are_the_first_of_all(
    tmp_path: Path, built: bool
) -> None:
    reader = a_store(tmp_path).write(built=built)
    everything = list((await reader.invocations(limit=100)).rows)
    assert len(everything) == 40
    orders = [Order(sort, reverse) for sort in get_args(SortKey) for reverse in (False, True)]
    for order in orders:
        sort = order.sort
        random.Random(1).shuffle(everything)
        order.apply(everything, at(100))
        page = await reader.invocations(limit=7, order=order)
        assert [row.id for row in page.rows] == [row.id for row in everything[:7]], order
        assert page.more
        values = [SORTS[sort](row, at(100)) for row in everything]
        assert values == sorted(values, reverse=not order.ascending)
        matching = [row.id for row in everything if row.service == "Shop" and row.llm_calls]
        page = await reader.invocations(filter="service:Shop calls>0", limit=5, order=order)
        assert [row.id for row in page.rows] == matching[:5], order


async def test_one_that_has_not_ended_grows_among_the_slowest(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.invocation("inv_open", created=39, **RUNNING)
    page = await store.write().invocations(limit=1, order=Order("duration"))
    assert page.rows[0].id == "inv_open"


async def test_totals_are_sums_of_all_rows(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.invocation("inv_open", created=50, **RUNNING)
    reader = store.write()
    for text in ("", "service:Shop", "tokens>2000", "status:running", "key:none"):
        rows = (await reader.invocations(limit=100, filter=text)).rows
        totals = await reader.totals(filter=text)
        assert totals.invocations == len(rows), text
        assert sum(totals.by_status.values()) == len(rows)
        assert totals.llm_calls == sum(row.llm_calls or 0 for row in rows)
        spent = sum((row.tokens for row in rows if row.tokens), Tokens(0, 0))
        assert totals.tokens == spent
        cost = sum((row.cost for row in rows if row.cost), Cost(0.0))
        assert totals.cost is not None
        assert totals.cost.usd == pytest.approx(cost.usd)
        assert totals.cost.unpriced_calls == cost.unpriced_calls
    with pytest.raises(FilterError):
        await reader.totals(filter="wait:approval")


async def test_groups_have_the_rows_of_their_value(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.invocation("inv_f", created=60, completion_result="failure",
                     completion_failure="[500] no item\nat line 3")  # fmt: skip
    reader = store.write()
    found = await reader.groups("service")
    assert [(one.name, one.totals.invocations) for one in found.groups] == [
        ("Shop", 26), ("Desk", 14), ("Agent", 1),
    ]  # fmt: skip
    assert found.groups[1].totals.tokens == (await reader.totals(filter="service:Desk")).tokens
    assert (found.groups[2].first_at, found.groups[2].last_at) == (at(60), at(60))
    found = await reader.groups("service", limit=1)
    assert (len(found.groups), found.total) == (1, 3)
    names = {by: [one.name for one in (await reader.groups(by)).groups] for by in GROUP_KEYS}
    assert names == {
        "service": ["Shop", "Desk", "Agent"], "status": ["succeeded", "failed"],
        "error": ["", "[500] no item"], "key": ["", "u1"],
    }  # fmt: skip


async def test_live_and_stored_rows_have_one_order(
    reader: Reader, client: RestateClient, source: StoreClient, ran: Any
) -> None:
    everything = list((await reader.invocations(limit=100)).rows)
    live = Reader(client, None)
    for sort in get_args(SortKey):
        for reverse in (False, True):
            order = Order(sort, reverse)
            page = await reader.invocations(limit=4, order=order)
            assert page.more
            order.apply(everything, datetime.now(UTC))
            now = datetime.now(UTC)  # the approval has not ended: its duration grows
            assert [SORTS[sort](row, now) for row in page.rows] == [
                SORTS[sort](row, now) for row in everything[:4]
            ], order  # fmt: skip
            alone = await live.invocations(limit=4, order=order)
            known = sort in ("age", "duration", "status", "target")
            assert (len(alone.rows), alone.more) == (4, True)
            assert any("cannot be sorted" in one for one in alone.missing) is not known
            if known:
                assert [row.id for row in alone.rows] == [row.id for row in page.rows], order
    totals = await reader.totals()
    assert totals.invocations == len(everything)
    assert totals.complete
    assert totals.llm_calls == sum(row.llm_calls or 0 for row in everything)
    counted = await live.totals()
    assert (counted.invocations, counted.by_status) == (totals.invocations, totals.by_status)
    assert counted.llm_calls is None
    for by in GROUP_KEYS:
        ours = {one.name: one.totals.invocations for one in (await live.groups(by)).groups}
        stored = {one.name: one.totals.invocations for one in (await reader.groups(by)).groups}
        assert ours == stored, by


async def test_activity_counts_starts_and_failures_by_minute(tmp_path: Path) -> None:
    this_minute = datetime.now(UTC).replace(second=0, microsecond=0)
    store = RecordedStore(tmp_path)

    def ran(id_: str, target: str, minutes: int, took: int, *, failed: bool) -> None:
        created = this_minute - timedelta(minutes=minutes)
        ended = created + timedelta(minutes=took)
        more: dict[str, Any] = {}
        if failed:
            more = {"completion_result": "failure", "completion_failure": "[500] no"}
        end: dict[str, Any] = {"completed_at": ended.isoformat(), "modified_at": ended.isoformat()}
        store.invocation(id_, target, created_at=created.isoformat(), **end, **more)

    ran("inv_1", "Shop/run", 3, 0, failed=True)
    ran("inv_2", "Shop/run", 3, 2, failed=True)
    ran("inv_3", "Desk/run", 3, 1, failed=False)
    ran("inv_4", "Desk/run", 70, 66, failed=True)  # started before the first minute
    ran("inv_5", "Desk/run", 200, 1, failed=True)
    reader = store.write()
    found = await reader.activity(minutes=10)
    late = int((found.since - this_minute) / timedelta(minutes=1)) + 9  # 1 if a minute passed
    assert found.started[6 - late] == sum(found.started) == 3
    assert [found.failed[6 - late], found.failed[8 - late], found.failed[5 - late]] == [1, 1, 1]
    assert sum(found.failed) == 3
    shop = await reader.activity(filter="service:Shop", minutes=10)
    assert (sum(shop.started), sum(shop.failed)) == (2, 2)
    with pytest.raises(FilterError):
        await reader.activity(filter="wait:approval")


async def test_the_server_counts_activity_without_a_recorder(handlers: Handlers) -> None:
    before = datetime.now(UTC)
    for code in (500, 418):
        handlers.finish("every/raises", {"text": "counted", "code": code})
    handlers.call("box/counted/put", {"value": 1})
    async with RestateClient(handlers.server.admin_url) as server:
        reader = Reader(server, None)
        everything = (await reader.invocations(limit=1000)).rows
        found = await reader.activity(minutes=600)
        raised = await reader.activity(filter="handler:raises error:counted", minutes=600)
    assert sum(found.started) == len(everything)
    assert sum(found.failed) == len([row for row in everything if row.status == "failed"])
    assert (sum(raised.started), sum(raised.failed)) == (2, 2)
    first = (before - raised.since) // timedelta(minutes=1)
    assert sum(raised.started[first:]) == sum(raised.failed[first:]) == 2
