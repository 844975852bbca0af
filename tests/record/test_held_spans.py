"""Spans that are inserted and wait for the commit of later ones, while nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import duckdb
import pytest
from otlp import request
from playhead.record.change_feed import ChangeFeed
from playhead.record.ingest.commits import SpanCommits
from playhead.record.ingest.committer import Committer
from playhead.record.ingest.queue import Ingest
from playhead.record.ingest.request_log import LogEntry
from playhead.record.otlp.requests import inspect_protobuf
from playhead.settings import Settings
from playhead.store.arrow import ArrowTable
from playhead.store.database import Store
from playhead.store.row_groups import FULL_GROUP
from waiting import until, until_async

SIZES = (3, 4, 5, 6)
"""Spans of the requests in the log, each of which is inserted alone."""


class Steps:
    """Lets the committer insert one group after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        self._next = threading.Semaphore(0)
        commit = Committer.commit

        def wait(
            committer: Committer, group: Sequence[LogEntry], decoded: Any = None, **holds: bool
        ) -> Any:
            self.begun += 1
            assert self._next.acquire(timeout=30)
            return commit(committer, group, decoded, **holds)

        monkeypatch.setattr(Committer, "commit", wait)

    async def let(self, groups: int) -> None:
        """Insert some groups; return when the next one is about to be."""
        target = self.begun + groups
        self._next.release(groups)
        await until_async(lambda: self.begun >= target)

    def free(self) -> None:
        """Insert all others."""
        self._next.release(1000)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of stored spans after each commit."""
    found: list[int] = []
    commit = Store._commit

    def count(store: Store, connection: duckdb.DuckDBPyConnection) -> None:
        commit(store, connection)
        found.append(stored(store))

    monkeypatch.setattr(Store, "_commit", count)
    return found


@pytest.fixture
def store(settings: Settings) -> Any:
    opened = Store(settings.store)
    yield opened
    opened.close()


def stored(store: Store) -> int:
    with store.reading() as cursor:
        return len(cursor.execute("SELECT DISTINCT span_id FROM spans").fetchall())


async def submit(ingest: Ingest, sizes: Sequence[int], *, padding: int = 0) -> None:
    for seed, size in enumerate(sizes, 1):
        body = request(size, seed=seed, padding=padding).SerializeToString()
        await ingest.submit(len(body), functools.partial(inspect_protobuf, body))


@contextlib.asynccontextmanager
async def running(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    *,
    requests: Sequence[int] = SIZES,
    steps: Steps | None = None,
    **options: Any,
) -> AsyncGenerator[Ingest]:
    monkeypatch.setattr("playhead.record.ingest.commits.COMMIT_WEIGHT", 1)
    monkeypatch.setattr("playhead.record.ingest.commits.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("playhead.record.ingest.commits.HOLD_SECONDS", 600.0)
    ingest = Ingest(store, **options)
    await submit(ingest, requests)
    task = asyncio.create_task(ingest.run())
    try:
        yield ingest
    finally:
        if steps is not None:
            steps.free()
        ingest.stop()
        await task


async def test_spans_share_a_commit_while_more_requests_wait(
    store: Store, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(store, monkeypatch) as ingest:
        assert await ingest.settled(60)
        assert commits == [18]
        assert (ingest.spans, ingest.waiting) == (18, 0)


async def test_a_query_sees_what_is_held(
    store: Store, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    async with running(store, monkeypatch, steps=steps) as ingest:
        await until_async(lambda: steps.begun == 1)
        await steps.let(2)
        assert (stored(store), ingest.spans) == (0, 0)
        monkeypatch.setattr(Ingest, "busy", True)  # else it waits for all of them
        query = asyncio.create_task(ingest.settled())
        await until_async(lambda: ingest._progress.waiters)
        await steps.let(1)
        assert not await query, "the last request is not inserted yet"
        assert commits == [12]
        steps.free()
        assert await ingest.settled(60)
        assert commits == [12, 18]


async def test_what_a_killed_recorder_left_is_not_held(
    store: Store, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(store, monkeypatch) as killed:
        monkeypatch.setattr(killed._log, "cut", lambda _: None)
        assert await killed.settled(60)
    commits.clear()
    async with running(store, monkeypatch, requests=()) as ingest:
        assert ingest.recovered == len(SIZES)
        assert await ingest.settled(60)
    assert len(commits) == len(SIZES)


async def test_nothing_is_held_while_clients_read(
    store: Store, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(store, monkeypatch) as ingest:
        with ingest.reading():
            assert await ingest.settled(60)
    assert commits == [3, 7, 12, 18]


async def test_nothing_is_held_while_a_client_waits_for_changes(
    store: Store, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = ChangeFeed()
    waiting = asyncio.create_task(feed.wait(feed.position, 60))
    await until_async(lambda: feed.is_awaited)
    async with running(store, monkeypatch, watched=lambda: feed.is_awaited) as ingest:
        assert await ingest.settled(60)
    assert commits == [3, 7, 12, 18]
    feed.close()
    await waiting
    assert not feed.is_awaited


async def test_a_writer_waits_for_one_group_only(
    store: Store, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    seen: list[int] = []

    def write() -> None:
        with store.transaction() as connection:
            seen.append(len(connection.execute("FROM spans").fetchall()))

    async with running(store, monkeypatch, steps=steps) as ingest:
        await until_async(lambda: steps.begun == 1)
        await steps.let(1)
        writer = threading.Thread(target=write)
        writer.start()
        until(lambda: store.is_wanted)
        await steps.let(1)
        await asyncio.to_thread(writer.join, 30)
        assert seen == [7]
        steps.free()
        assert await ingest.settled(60)
    assert commits[:2] == [7, 7], "the two groups, and the writer"


async def test_held_spans_are_committed_after_a_while(
    store: Store, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    steps = Steps(monkeypatch)
    async with running(store, monkeypatch, steps=steps, clock=lambda: now) as ingest:
        await until_async(lambda: steps.begun == 1)
        await steps.let(1)
        now = 601.0
        await steps.let(1)
        assert commits == [7]
        steps.free()
        assert await ingest.settled(60)


@pytest.mark.parametrize("error", [duckdb.InvalidInputException("Malformed JSON"), OSError("full")])
async def test_held_spans_are_stored_once_when_a_later_group_fails(
    store: Store, commits: list[int], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    write = Committer._write
    failures = 0

    def fail(self: Committer, decoded: ArrowTable, **holds: bool) -> Any:
        nonlocal failures
        is_bad = "span 4" in decoded.column("name").to_pylist() and decoded.num_rows == SIZES[2]
        if is_bad and (isinstance(error, duckdb.Error) or not failures):
            failures += 1
            raise error
        return write(self, decoded, **holds)

    monkeypatch.setattr(Committer, "_write", fail)
    async with running(store, monkeypatch) as ingest:
        assert await ingest.settled(60)
        lost = SIZES[2] if isinstance(error, duckdb.Error) else 0
        assert ingest.set_aside == (1 if lost else 0)
        assert (stored(store), ingest.spans, ingest.repeated) == (18 - lost, 18 - lost, 0)
        with store.reading() as cursor:
            assert cursor.execute("SELECT count(*) FROM spans").fetchall() == [(18 - lost,)]
    assert failures
    assert commits[0] == 3, "after a failure, each group has a commit of its own"


async def test_held_spans_are_stored_once_when_their_commit_fails(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit may be in the file nevertheless."""
    commit, failures = Store._commit, [duckdb.TransactionException("Failed to commit")]

    def fail(store: Store, connection: duckdb.DuckDBPyConnection) -> None:
        commit(store, connection)
        if failures:
            store.uncertain += 1
            raise failures.pop()

    monkeypatch.setattr(Store, "_commit", fail)
    async with running(store, monkeypatch) as ingest:
        assert await ingest.settled(60)
        assert not failures
        assert (stored(store), ingest.spans) == (18, 18)


async def test_the_store_can_be_closed_when_the_committer_fails_for_good(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    monkeypatch.setattr(SpanCommits, "_settle", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        async with running(store, monkeypatch):
            steps.free()
    assert not store._turn._lock.locked()


async def test_a_held_row_group_is_not_written_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row group that one transaction fills is written into the file, and not into the log."""
    sizes: list[int] = []
    checkpoint = Committer.checkpoint

    def look(committer: Committer, **options: Any) -> bool:
        sizes.append(store.log_bytes())
        return checkpoint(committer, **options)

    monkeypatch.setattr(Committer, "checkpoint", look)
    monkeypatch.setattr("playhead.record.ingest.commits.HOLD_SECONDS", 600.0)
    ingest = Ingest(store)
    await submit(ingest, [FULL_GROUP // 8] * 9, padding=100)
    task = asyncio.create_task(ingest.run())
    assert await ingest.settled(120)
    ingest.stop()
    await task
    assert stored(store) == FULL_GROUP // 8 * 9
    assert sizes[0] < FULL_GROUP * 10, "10 bytes a span, of more than 300"
