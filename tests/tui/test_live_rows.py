"""Rows on screen follow the server by cheap queries; an older read replaces no newer one."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import httpx
import pytest
from playhead.local import RestateServer
from playhead.model import InvocationPage, Tokens
from playhead.reader.reader import Reader
from playhead.restate.client import RestateClient
from playhead_tui.sources.invocation_cache import CacheUpdate, InvocationCache
from playhead_tui.sources.live_rows import TURN_SECONDS, LiveRows, scan_pause
from playhead_tui.sources.row_merge import KnownRow
from tui_desk import DeskService, desk_service
from tui_fakes import FakeReader, ago, summary


@pytest.fixture(scope="module")
def desk(restate: RestateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskService]:
    with desk_service(restate, tmp_path_factory.mktemp("desk")) as service:
        yield service


def page(*rows: Any, more: bool = False) -> InvocationPage:
    return InvocationPage(rows, more, sources=("live",))


def running(**more: Any) -> Any:
    return summary("inv_1", "S/run", "running", 10, modified_at=ago(9), **more)


def ended(**more: Any) -> Any:
    return replace(running(**more), status="succeeded", modified_at=ago(1), completed_at=ago(1))


# Merging.


def test_an_older_read_that_ends_later_changes_nothing() -> None:
    known = KnownRow(running(), 1.0).updated(ended(), 3.0)
    assert known.updated(running(), 2.0).row.status == "succeeded"
    assert known.updated(running(), 4.0).row.status == "succeeded", "an end is final"


def test_a_row_with_the_same_time_of_modification_follows_the_later_read() -> None:
    failing = replace(running(), status="backing-off", retry_count=2)
    known = KnownRow(running(), 2.0)
    assert known.updated(failing, 3.0).row == failing
    assert known.updated(failing, 1.0).row.status == "running"


def test_figures_stay_until_figures_are_read_later() -> None:
    known = KnownRow(running(), 1.0).with_figures(running(attempts=2, llm_calls=3), 1.0)
    known = known.updated(ended(), 2.0)
    assert (known.row.status, known.row.attempts, known.row.llm_calls) == ("succeeded", 2, 3)
    later = running(attempts=None, attempts_at_least=3, llm_calls=4, tokens=Tokens(5, 6))
    known = known.with_figures(later, 3.0).with_figures(running(llm_calls=1), 2.0)
    assert (known.row.attempts, known.row.attempts_at_least, known.row.llm_calls) == (None, 3, 4)
    assert known.row.status == "succeeded"


def test_a_stored_copy_replaces_no_live_row() -> None:
    copy = replace(running(), origin="stored", modified_at=ago(9.5))
    known = KnownRow(running(retry_count=4), 1.0).updated(copy, 2.0)
    assert (known.row.retry_count, known.row.origin) == (4, "stored")


def test_an_invocation_that_the_server_no_longer_has_is_gone_until_it_is_back() -> None:
    copy = replace(running(), origin="stored", status="gone", modified_at=ago(9.5))
    gone = KnownRow(running(retry_count=4), 1.0).updated(copy, 2.0)
    assert (gone.row.status, gone.row.retry_count, gone.row.origin) == ("gone", 4, "stored")
    assert gone.updated(running(), 1.5).row.status == "gone"
    assert gone.updated(running(), 3.0).row == running()
    kept = KnownRow(ended(), 1.0).updated(copy, 2.0)
    assert kept.row == replace(ended(), origin="stored"), "its end is known"


def test_an_id_that_is_used_again_starts_afresh() -> None:
    again = replace(running(), created_at=ago(2), modified_at=ago(2))
    assert KnownRow(ended(llm_calls=3), 1.0).updated(again, 2.0).row == again


def test_a_slow_page_neither_reverts_nor_drops_rows_that_were_read_meanwhile() -> None:
    clock = count(1)
    cache = InvocationCache(lambda: next(clock))
    cache.update(CacheUpdate(1.0, page(running())))
    new = summary("inv_2", "S/run", "running", 0)
    cache.refresh([ended(), new], (), 3.0)
    cache.update(CacheUpdate(2.0, page(running(llm_calls=2))))
    rows = {row.id: row for row in cache.rows}
    assert set(rows) == {"inv_1", "inv_2"}
    assert (rows["inv_1"].status, rows["inv_1"].llm_calls) == ("succeeded", 2)
    cache.update(CacheUpdate(4.0, page(ended())))
    assert [row.id for row in cache.rows] == ["inv_1"], "deleted on the server"


def test_a_source_that_does_not_answer_removes_nothing() -> None:
    cache = InvocationCache()
    cache.update(CacheUpdate(1.0, page(running())))
    stored = summary("inv_old", "S/run", "succeeded", 99, origin="stored")
    cache.update(CacheUpdate(2.0, InvocationPage((stored,), False, sources=("stored",))))
    assert {row.id for row in cache.rows} == {"inv_1", "inv_old"}


def test_rows_older_than_the_pages_read_are_not_shown_and_not_read_again() -> None:
    cache = InvocationCache()
    cache.update(CacheUpdate(1.0, page(running(), more=True)))
    old = summary("inv_old", "S/run", "running", 99, modified_at=ago(50))
    assert cache.is_new("inv_old")
    assert not cache.refresh([old], (), 2.0)
    assert not cache.is_new("inv_old")
    assert cache.is_new("inv_old", ago(40)), "it was modified"
    assert [row.id for row in cache.rows] == ["inv_1"]


def test_scans_take_at_most_a_quarter_of_the_time() -> None:
    for took in (0.001, 0.01, 0.08, 0.15, 0.25, 0.8, 5.0):
        pause = scan_pause(took, took)
        assert took / (took + pause) <= 0.25 + 1e-9
        if took <= 0.18:
            assert took + pause <= 0.76


def test_a_busy_machine_does_not_delay_the_next_scan() -> None:
    """What a scan takes while others run is not its cost."""
    live = LiveRows(InvocationCache())
    usual = live.pause_after_scan(0.1)
    for took in (0.5, 2.0, 5.0):
        assert live.pause_after_scan(took) <= usual


# What is read.


class Wire(httpx.AsyncHTTPTransport):
    """Transport to the real server that records the SQL of each request."""

    def __init__(self) -> None:
        super().__init__(limits=httpx.Limits(max_keepalive_connections=0))
        self.sql: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/query":
            self.sql.append(json.loads(request.content)["query"])
        return await super().handle_async_request(request)


async def test_the_frequent_reads_scan_when_that_is_due_and_read_no_unchanged_row(
    desk: DeskService, restate: RestateServer
) -> None:
    done = [desk.call(n) for n in range(3)]
    wire = Wire()
    reader = Reader(RestateClient(restate.admin_url, transport=wire), None)
    cache = InvocationCache()
    now = [0.0]
    live = LiveRows(cache, lambda: now[0])
    cache.update(await cache.read(reader))
    await live.read_changed(reader, done)
    waiting = desk.wait()
    wire.sql.clear()
    for _ in range(3):
        update = await live.read_changed(reader, done)
        assert not update.scanned
        cache.refresh(update.rows, update.gone, update.started)
    assert not any("ORDER BY" in sql for sql in wire.sql), "no scan is due"
    assert all(re.search(r" WHERE id IN \(", sql) for sql in wire.sql)
    rows = [sql for sql in wire.sql if "FROM sys_invocation WHERE" in sql]
    assert not any(id_ in sql for sql in rows for id_ in done), "they have not changed"
    # One scan finds what was never seen active, and reads it by id.
    now[0] += 10.0
    wire.sql.clear()
    update = await live.read_changed(reader, done)
    assert update.scanned
    cache.refresh(update.rows, update.gone, update.started)
    found = cache.get(waiting)
    assert found
    assert (found.service, found.handler) == ("Reception", "wait")
    now[0] += 10.0
    wire.sql.clear()
    update = await live.read_changed(reader, done)
    assert len(wire.sql) == 1, "the same answer again leads to no reads"
    assert not update.rows
    await reader.close()


def test_the_pause_between_searches_meets_the_next_scan() -> None:
    now = [100.0]
    live = LiveRows(InvocationCache(), lambda: now[0])
    assert live.pause(0.6) == 0.6, "a scan is due at the next search"
    for left, expected in ((0.65, 0.6), (0.75, 0.375), (1.3, 0.6), (1.4, 1.4 / 3)):
        live._next_scan = now[0] + left
        assert live.pause(0.6) == pytest.approx(expected)


async def test_one_read_sees_a_change_of_a_row_in_view(
    desk: DeskService, restate: RestateServer
) -> None:
    ident = desk.wait()
    reader = Reader(RestateClient(restate.admin_url), None)
    cache = InvocationCache()
    live = LiveRows(cache)
    cache.update(await cache.read(reader))
    before = cache.get(ident)
    assert before
    assert not before.ended
    desk.answer(ident)
    update = await live.read_changed(reader, [ident])
    assert ident in cache.refresh(update.rows, update.gone, update.started)
    after = cache.get(ident)
    assert after
    assert (after.status, desk.row(ident)["status"]) == ("succeeded", "completed")
    desk.purge(ident)
    update = await live.read_changed(reader, [ident])
    assert update.gone == (ident,)
    await reader.close()


async def test_a_deletion_out_of_view_is_found_in_turn(
    desk: DeskService, restate: RestateServer
) -> None:
    done = [desk.call(n) for n in range(3)]
    wire = Wire()
    reader = Reader(RestateClient(restate.admin_url, transport=wire), None)
    now = [0.0]
    cache = InvocationCache(lambda: now[0])
    live = LiveRows(cache, lambda: now[0])
    cache.update(await cache.read(reader))
    loaded = set(cache.live_ids)
    assert loaded >= set(done)
    most = math.ceil(len(loaded) / 20)
    gone: set[str] = set()
    for purged in (None, done[1]):
        if purged:
            desk.purge(purged)
        looked_at: list[str] = []
        for _ in range(20 + 1):
            now[0] += TURN_SECONDS / 20
            wire.sql.clear()
            update = await live.read_changed(reader, [])
            cache.refresh(update.rows, update.gone, update.started)
            gone.update(update.gone)
            in_turn = re.findall("inv_[0-9A-Za-z]+", wire.sql[0])
            assert len(in_turn) <= most + len(live._active), "no request looks at everything"
            looked_at += in_turn
        assert set(looked_at) >= loaded, "each is looked at within the time"
    assert gone == {done[1]}
    assert cache.get(done[1]) is None
    await reader.close()


# On screen.


async def test_a_cursor_on_the_first_row_stays_at_the_top(stage) -> None:
    source = FakeReader([summary(f"inv_{n:03}", "S/run", "running", n + 1) for n in range(80)])
    async with stage(source, size=(100, 20)) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        for n in range(30):
            source.rows.append(summary(f"inv_new{n:02}", "S/run", "running", -n))
        await s.until(lambda: len(screen.listing.rows) == 110)
        assert (screen.listing.cursor, screen.listing.scroll_y) == ("inv_new29", 0)
        await s.press("j")
        source.rows.append(summary("inv_newer", "S/run", "running", -99))
        await s.until(lambda: len(screen.listing.rows) == 111)
        assert (screen.listing.cursor, screen.listing.place) == ("inv_new28", 2)


@pytest.mark.parametrize("follow", [False, True])
async def test_the_first_row_may_leave_a_filtered_list_with_the_cursor_on_it(stage, follow) -> None:
    """Such as an approval that was answered, in the list of those that wait for a person."""
    rows = [summary(f"inv_{n}", "S/run", "suspended", n + 1) for n in range(3)]
    source = FakeReader(rows)
    async with stage(source) as s:
        screen = s.app.screen
        await s.press("slash", *"status:suspended", "enter")
        await s.until(lambda: len(screen.listing.rows) == 3)
        assert screen.listing.cursor == "inv_0"
        if follow:
            screen.listing.follow = -1
        source.rows = [summary("inv_0", "S/run", "succeeded", 1), *rows[1:]]
        screen.poller.wake()
        await s.until(lambda: len(screen.listing.rows) == 2)
        assert (screen.listing.cursor, screen.listing.place) == ("inv_1", 0)


async def test_a_hidden_list_reads_nothing_and_is_read_at_once_when_it_returns(stage) -> None:
    source = FakeReader()
    async with stage(source) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        s.app.open_invocation("inv_1cIntake")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        for poller in screen.pollers:
            poller.wake()
        await s.pilot.pause()
        reads, scans = len(source.limits), source.scans
        place = next(n for n, row in enumerate(source.rows) if row.id == "inv_1cIntake")
        source.rows[place] = replace(
            source.rows[place], status="succeeded", completed_at=ago(0), modified_at=ago(0)
        )
        await s.until(lambda: s.app.screen.detail.summary.ended)
        assert (len(source.limits), source.scans) == (reads, scans)
        shown: list[str] = []
        screen._header.show_age = shown.append
        screen._tick()
        assert not shown, "what is hidden is not drawn"
        await s.press("escape")
        await s.until(lambda: shown)
        await s.until(lambda: screen.cache.get("inv_1cIntake").ended)
        await s.until(lambda: source.scans > scans)


async def test_a_change_and_its_figures_are_shown_without_a_read_of_the_page(stage) -> None:
    source = FakeReader()
    async with stage(source, size=(140, 40)) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        pages = len(source.limits)
        screen.poller.seconds = 3600.0
        place = next(n for n, row in enumerate(source.rows) if row.id == "inv_1cIntake")
        source.rows[place] = replace(
            source.rows[place],
            status="succeeded",
            completed_at=ago(1),
            modified_at=ago(1),
            llm_calls=77,
        )
        await s.until(lambda: screen.cache.get("inv_1cIntake").ended)
        line = next(line for line in s.text.splitlines() if "IntakeAgent" in line)
        assert "succeeded" in line
        await s.until(lambda: screen.cache.get("inv_1cIntake").llm_calls == 77)
        assert len(source.limits) <= pages + 1
