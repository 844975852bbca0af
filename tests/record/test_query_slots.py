"""Queries that take long: they hold up neither other clients nor the end of the recorder."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import duckdb
import httpx
import psutil
import pytest
from playhead.errors import QueryMemoryError, StoreError
from playhead.local import ManagedProcess
from playhead.record.endpoint import CLIENT_HEADER, read_endpoint, read_token
from playhead.record.ingest import queue as ingest_module
from playhead.record.ingest import readers
from playhead.record.otlp.requests import inspect_protobuf
from playhead.record.process import start_recorder
from playhead.record.queries import slots as query_slots
from playhead.record.queries.single_query import SingleQuery
from playhead.record.recorder import Recorder, open_recorder
from playhead.settings import Settings
from playhead.store import database_settings
from playhead.store.query import to_json_rows
from waiting import until, until_async

from helpers import FREE  # isort: skip
from otlp import PROTOBUF, request  # isort: skip

ENDLESS = "WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT max(x) FROM t"
COUNT = "SELECT count(*) AS n FROM spans"
UNINTERRUPTIBLE = (
    "SELECT max(levenshtein(repeat('a', 10000), repeat('b', 9000) || range)) FROM range(2000)"
)
"""One call of a function, which DuckDB cannot interrupt; it would take an hour."""


@asynccontextmanager
async def api(settings: Settings, name: str) -> AsyncGenerator[httpx.AsyncClient]:
    running = read_endpoint(settings.store)
    assert running is not None
    headers = {"authorization": f"Bearer {read_token(settings.store)}", CLIENT_HEADER: name,
               "accept": "application/json"}  # fmt: skip
    async with httpx.AsyncClient(
        base_url=running.api_url, headers=headers, timeout=60, trust_env=False, verify=False
    ) as client:
        yield client


async def rows(settings: Settings, name: str, sql: str) -> Any:
    async with api(settings, name) as client:
        return (await client.post("/query", json={"sql": sql})).raise_for_status().json()["rows"]


async def queries(settings: Settings, number: int) -> None:
    """Wait until so many queries are being run."""

    async def running() -> bool:
        async with api(settings, "health") as client:
            return (await client.get("/health")).json()["queries"] == number

    await until_async(running, f"{number} queries run")


async def test_one_client_leaves_room_for_the_others(
    recorder: Recorder, settings: Settings
) -> None:
    greedy = [asyncio.create_task(rows(settings, "greedy", ENDLESS)) for _ in range(8)]
    await queries(settings, 3)
    async with asyncio.timeout(15):  # the endless ones end after 30 s
        assert await rows(settings, "modest", "SELECT 1 AS n") == [{"n": 1}]
    assert not any(task.done() for task in greedy)
    for task in greedy:
        task.cancel()
    await asyncio.gather(*greedy, return_exceptions=True)


async def test_a_client_without_queries_finds_a_place(
    recorder: Recorder, settings: Settings
) -> None:
    """The others have three each: four are slow and have places of their own, two are left."""
    clients = [str(n) for n in range(4)]
    greedy = [asyncio.create_task(rows(settings, name, ENDLESS)) for name in clients * 3]
    await queries(settings, 8)
    async with asyncio.timeout(15):  # the endless ones end after 30 s
        for name in ("modest", "another"):
            assert await rows(settings, name, "SELECT 1 AS n") == [{"n": 1}]
    assert not any(task.done() for task in greedy)
    for task in greedy:
        task.cancel()
    await asyncio.gather(*greedy, return_exceptions=True)


async def test_a_query_that_no_longer_waits_leaves_no_place_taken() -> None:
    slots = query_slots.QuerySlots()
    ends = asyncio.Event()

    async def hold(client: str) -> None:
        async with slots.take(client):
            await ends.wait()

    held = [asyncio.create_task(hold(str(n))) for n in range(query_slots.QUICK)]
    await until_async(lambda: slots.taken == query_slots.QUICK, "all have a place")
    waiting = [asyncio.create_task(hold("late")) for _ in range(4)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    ends.set()
    held[0].cancel()
    await asyncio.gather(*held, *waiting, return_exceptions=True)
    assert waiting[0].cancelled()
    assert not any(task.cancelled() for task in waiting[1:])
    assert (slots.taken, slots.has_slow) == (0, False)


async def test_clients_that_used_up_the_memory_take_turns(
    recorder: Recorder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a query of theirs has an answer; the queries of others run beside them."""
    read = SingleQuery.write_json

    def fail(self: SingleQuery, *args: Any) -> None:
        if "no memory" in self.sql:
            raise QueryMemoryError("The memory for queries is used up")
        read(self, *args)

    monkeypatch.setattr(SingleQuery, "write_json", fail)
    monkeypatch.setattr("playhead.record.api.MEMORY_PAUSES", ())
    for name in ("greedy", "glutton"):
        with pytest.raises(httpx.HTTPStatusError, match="413"):
            await rows(settings, name, "SELECT 1 -- no memory")
    first = asyncio.create_task(rows(settings, "greedy", ENDLESS))
    await queries(settings, 1)
    second = asyncio.create_task(rows(settings, "glutton", ENDLESS))
    third = asyncio.create_task(rows(settings, "modest", ENDLESS))
    await queries(settings, 2)
    async with asyncio.timeout(15):  # the endless ones end after 30 s
        assert await rows(settings, "modest", "SELECT 1 AS n") == [{"n": 1}]
    await queries(settings, 2)
    first.cancel()
    await queries(settings, 2)
    third.cancel()
    await queries(settings, 1)
    assert not second.done()
    second.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)
    for name in ("greedy", "glutton"):
        assert await rows(settings, name, "SELECT 1 AS n") == [{"n": 1}]
    both = [asyncio.create_task(rows(settings, n, ENDLESS)) for n in ("greedy", "glutton")]
    await queries(settings, 2)
    for task in both:
        task.cancel()
    await asyncio.gather(*both, return_exceptions=True)


async def test_a_client_takes_turns_for_some_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_slots, "HUNGRY_SECONDS", 0.2)
    slots = query_slots.QuerySlots()
    for name in ("greedy", "glutton"):
        slots.note_memory(name, is_enough=False)
    async with slots.take("greedy"), asyncio.timeout(15), slots.take("glutton"):
        assert slots.taken == 2


async def test_a_query_ends_with_its_client(recorder: Recorder, settings: Settings) -> None:
    for _ in range(3):  # three times as many as there are slots
        tasks = [asyncio.create_task(rows(settings, str(n), ENDLESS)) for n in range(4)]
        await queries(settings, 4)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(15):
        assert await rows(settings, "next", "SELECT 1 AS n") == [{"n": 1}]


@pytest.mark.parametrize("is_before", [True, False])
async def test_queries_wait_less_for_commits_while_slow_ones_run(
    recorder: Recorder, settings: Settings, monkeypatch: pytest.MonkeyPatch, is_before: bool
) -> None:
    """Whether they are slow before a query starts to wait, or only afterwards."""
    monkeypatch.setattr(ingest_module, "SETTLE_SECONDS", 600.0)
    monkeypatch.setattr(readers, "YIELD_SECONDS", 600.0)
    monkeypatch.setattr(query_slots, "SLOW_SECONDS", 0.0 if is_before else 3.0)
    slow = asyncio.create_task(rows(settings, "slow", ENDLESS))
    await until_async(lambda: recorder.ingest._readers.running)
    body = request(3).SerializeToString()
    await recorder.ingest.submit(len(body), lambda: inspect_protobuf(body))
    async with api(settings, "quick") as client, asyncio.timeout(25):  # the endless one takes 30 s
        for path, query in (
            ("/query", {"sql": COUNT}),
            ("/queries", {"queries": [{"sql": COUNT}]}),
        ):
            answer = await client.post(path, json=query)
            assert answer.headers["playhead-complete"] == "false"
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


@pytest.mark.parametrize(
    "body",
    [
        b'{"sql": "SELECT \\ud800"}',
        b'{"sql": "SELECT ?", "params": ["\\ud800"]}',
        b'{"sql": "SELECT ?", "params": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
        b'{"sql": "SELECT ?", "params": [1' + b"0" * 400 + b"]}",
        b'{"sql": "SELECT ?", "params": [1' + b"0" * 5000 + b"]}",
        b'{"sql": "SELECT ?", "params": []}',
        b'{"sql": "SELECT 1", "params": {"a": 1}}',
        b'{"sql": "SELECT \\u0000"}',
        b'{"sql": 1}',
        b"[]",
        b"",
    ],
)
async def test_malformed_queries_are_refused(
    recorder: Recorder, settings: Settings, body: bytes
) -> None:
    async with api(settings, "fuzz") as client:
        response = await client.post("/query", content=body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]


@pytest.fixture
def child(settings: Settings, tmp_path: Path) -> Any:
    running = start_recorder(settings, tmp_path / "record.log", free_ports=True, journals=False)
    yield running
    running.stop()


async def start_uninterruptible(child: ManagedProcess, settings: Settings) -> asyncio.Task[Any]:
    """Send the query, and wait until DuckDB computes it: before, it can still be interrupted."""
    query = asyncio.create_task(rows(settings, "stuck", UNINTERRUPTIBLE))
    await queries(settings, 1)
    process = psutil.Process(child.pid)

    def computed() -> float:
        return process.cpu_times().user

    before = computed()
    await until_async(lambda: computed() > before + 1.0, "the query computes", seconds=60)
    return query


async def test_sigterm_ends_the_recorder_whatever_runs(
    child: ManagedProcess, settings: Settings
) -> None:
    query = await start_uninterruptible(child, settings)
    child.signal(signal.SIGTERM)
    await until_async(lambda: not child.running, "the recorder has ended", seconds=20)
    query.cancel()
    await asyncio.gather(query, return_exceptions=True)


async def test_slow_queries_do_not_hold_up_quick_ones(
    child: ManagedProcess, settings: Settings
) -> None:
    first = read_endpoint(settings.store)
    slow = [asyncio.create_task(rows(settings, str(n), UNINTERRUPTIBLE)) for n in range(4)]
    await queries(settings, 4)
    assert await rows(settings, "quick", "SELECT 1 AS n") == [{"n": 1}]
    assert read_endpoint(settings.store) == first, "answered by the same recorder"
    assert not any(query.done() for query in slow)
    for query in slow:
        query.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_a_query_that_cannot_be_interrupted_restarts_the_recorder(
    child: ManagedProcess, settings: Settings
) -> None:
    first = read_endpoint(settings.store)
    assert first is not None
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        sent = await http.post(
            f"http://127.0.0.1:{first.otlp_http_port}/v1/traces",
            content=request(30).SerializeToString(),
            headers={"content-type": PROTOBUF},
        )
        assert sent.status_code == 200
    query = await start_uninterruptible(child, settings)
    query.cancel()
    await asyncio.gather(query, return_exceptions=True)

    def restarted() -> bool:
        now = read_endpoint(settings.store)
        return now is not None and now.api_port != first.api_port

    await until_async(restarted, "the recorder has started again", seconds=40)
    assert child.running
    until(lambda: (now := read_endpoint(settings.store)) and now.pid == child.pid, "same process")
    assert await rows(settings, "after", "SELECT count(*) AS n FROM spans") == [{"n": 30}]


async def test_a_quick_query_is_tried_again_when_others_have_taken_the_memory(
    recorder: Recorder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [QueryMemoryError("The memory for queries is used up")] * 2
    read = SingleQuery.write_json

    def fail(*args: Any) -> None:
        if failures:
            raise failures.pop()
        return read(*args)

    monkeypatch.setattr(SingleQuery, "write_json", fail)
    assert await rows(settings, "honest", "SELECT 1 AS n") == [{"n": 1}]
    assert not failures
    failures += [QueryMemoryError("The memory for queries is used up")] * 9
    async with api(settings, "honest") as client:
        response = await client.post("/query", json={"sql": "SELECT 1 AS n"})
    assert (response.status_code, response.json()["error"]) == (
        413, "The memory for queries is used up",
    )  # fmt: skip


HOLDING = (
    "WITH held AS MATERIALIZED (SELECT "
    + ", ".join(f"list(x + {n}) AS l{n}" for n in range(6))
    + " FROM range(100000) t(x)) SELECT sum(y + "
    + " + ".join(f"len(l{n})" for n in range(6))
    + ") FROM held, range(1000000000000) u(y)"
)
"""A query without end that holds 15 MB, which DuckDB cannot move to the disk."""
ROWS = 1_100_000
LARGE = f"SELECT len(list(x)) AS n FROM range({ROWS}) t(x)"
"""A query that needs most of 40 MB."""


@pytest.fixture
async def holding(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[tuple[Recorder, asyncio.Task[Any]]]:
    """A recorder whose database has 40 MB, and a query that holds a part of them."""
    monkeypatch.setattr(database_settings, "MEMORY", "40MB")
    async with open_recorder(settings, FREE) as running:
        query = asyncio.create_task(rows(settings, "greedy", HOLDING))

        def taken() -> bool:
            with running.store.reading() as cursor:
                used = "SELECT sum(memory_usage_bytes) FROM duckdb_memory()"
                [(size,)] = cursor.execute(used).fetchall()
            assert not query.done()
            return size > 14_000_000

        await until_async(taken, "the query has taken the memory")
        yield running, query
        query.cancel()
        await asyncio.gather(query, return_exceptions=True)


async def test_a_long_query_that_holds_the_memory_makes_room(
    holding: tuple[Recorder, asyncio.Task[Any]], settings: Settings
) -> None:
    assert await rows(settings, "honest", LARGE) == [{"n": 1_100_000}]


async def test_a_writer_without_memory_ends_the_query_that_holds_it(
    holding: tuple[Recorder, asyncio.Task[Any]], settings: Settings
) -> None:
    recorder, query = holding
    count = ROWS

    def write() -> bool:
        """Write as the recorder does, which tries again when a commit fails."""
        try:
            with recorder.store.transaction() as connection:
                connection.execute(LARGE.replace(str(ROWS), str(count))).fetchall()
        except duckdb.OutOfMemoryException:
            return False
        return True

    def ended() -> bool:
        # On a busy machine, the writer found memory beside the query at times.
        nonlocal count
        count *= 2 if write() else 1
        return query.done()

    await until_async(ended, "the query has ended")
    with pytest.raises(httpx.HTTPStatusError) as caught:
        await query
    assert "memory" in caught.value.response.json()["error"]
    count = ROWS
    await until_async(write, "the writer has memory")


async def test_a_query_waits_until_a_failed_database_is_open_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be opened while a query still has it open, which has to end first."""
    failures = [StoreError("The store has failed", "") for _ in "12"]

    def read(*args: Any, **more: Any) -> Any:
        if failures:
            raise failures.pop()
        return to_json_rows(*args, **more)

    monkeypatch.setattr("playhead.record.queries.single_query.to_json_rows", read)
    async with open_recorder(settings, FREE):
        assert await rows(settings, "reader", "SELECT 1 AS n") == [{"n": 1}]
        assert not failures
