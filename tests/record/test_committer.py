"""Commits behind the acknowledgement: strange requests, a failed database, interrupted runs."""

from __future__ import annotations

import asyncio
import resource
import shutil
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest
from helpers import FREE
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp import answer, post, request, select, spans
from playhead.record.ingest.commits import BUSY_SHARE
from playhead.record.ingest.committer import Committer
from playhead.record.ingest.progress import BusyShare
from playhead.record.ingest.request_log import FOLDER, RequestLog
from playhead.record.otlp.requests import inspect_protobuf
from playhead.record.recorder import Recorder, open_recorder
from playhead.settings import Settings
from playhead.store import database_settings
from playhead.store.arrow import ArrowTable
from playhead.store.database import Store
from playhead.store.row_groups import FULL_GROUP, open_rows
from playhead.store.span_writer import SpanWriter
from waiting import until_async

POISON = b"\x0a\xff\xff"


async def logged(settings: Settings, bodies: list[bytes]) -> None:
    """Leave requests in the log, as a killed recorder does."""
    log = RequestLog(settings.store / FOLDER)
    for body in bodies:
        await log.append(body, 2_000_000)
    log.close()


@pytest.mark.parametrize("place", [0, 3, 6])
async def test_a_request_that_cannot_be_decoded_is_set_aside(
    settings: Settings, place: int
) -> None:
    bodies = [request(5, seed=seed).SerializeToString() for seed in range(6)]
    bodies.insert(place, POISON)
    await logged(settings, bodies)
    async with open_recorder(settings, FREE) as recorder:
        assert len(await spans(recorder)) == 30
        health = recorder.health()
        assert (health["set_aside_requests"], health["waiting_requests"]) == (1, 0)
        assert "a request was set aside as" in health["last_error"]
    [path] = (settings.store / "set-aside").iterdir()
    assert path.read_bytes() == POISON
    assert path.stat().st_mode & 0o077 == 0
    async with open_recorder(settings, FREE) as again:
        assert again.health()["set_aside_requests"] == 1
        assert again.health()["recovered_requests"] == 0


async def test_a_request_that_the_database_refuses_is_set_aside(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Committer._write

    def refuse(self: Committer, decoded: ArrowTable, **holds: bool) -> Any:
        if "span 6" in decoded.column("name").to_pylist():
            raise duckdb.InvalidInputException("Malformed JSON")
        return write(self, decoded, **holds)

    monkeypatch.setattr(Committer, "_write", refuse)
    await logged(settings, [request(n, seed=n).SerializeToString() for n in (1, 2, 7, 3)])
    async with open_recorder(settings, FREE) as recorder:
        assert len(await spans(recorder)) == 6
        assert recorder.health()["set_aside_requests"] == 1


async def test_a_request_that_always_breaks_the_database_is_set_aside(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Committer._write
    monkeypatch.setattr("playhead.record.ingest.commits.RETRY_SECONDS", 0.01)

    def crash(self: Committer, decoded: ArrowTable, **holds: bool) -> Any:
        if "span 6" in decoded.column("name").to_pylist():
            raise duckdb.InternalException("Attempted to access index 5 within vector of size 2")
        return write(self, decoded, **holds)

    monkeypatch.setattr(Committer, "_write", crash)
    await logged(settings, [request(n, seed=n).SerializeToString() for n in (1, 2, 7, 3)])
    async with open_recorder(settings, FREE) as recorder:
        assert len(await spans(recorder)) == 6
        assert recorder.health()["set_aside_requests"] == 1


async def test_a_failed_database_is_opened_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        broken = {**database_settings.SETTINGS, "debug_checkpoint_abort": "before_truncate"}
        patch.setattr(database_settings, "SETTINGS", broken)
        store = Store(settings.store)
        with store.transaction() as connection:
            connection.execute("INSERT INTO recordings VALUES (now(), now(), 'production')")
        reader = store.cursor()
        with pytest.raises(duckdb.FatalException):
            store.checkpoint(least_bytes=0)
        with pytest.raises(duckdb.FatalException):
            reader.execute("SELECT 1")
    with store.transaction() as connection:
        connection.execute("INSERT INTO recordings VALUES (now(), now(), 'production')")
    assert store.reopened == 1
    assert store.cursor().execute("SELECT count(*) FROM recordings").fetchall() == [(2,)]
    store.close()


async def test_a_full_disk_is_survived(recorder: Recorder) -> None:
    """The process' limit of file sizes gives the errors of a full disk."""
    answer(await post(recorder, request(100, seed=1, padding=1000).SerializeToString()))
    await spans(recorder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    stored = 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    try:
        for seed in range(2, 8):
            sent = await post(recorder, request(100, seed=seed, padding=1000).SerializeToString())
            assert sent.status_code in (200, 503)
            stored += 100 * (sent.status_code == 200)
        await until_async(lambda: "File too large" in str(recorder.health()["last_error"]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(await spans(recorder)) == stored
    answer(await post(recorder, request(100, seed=9).SerializeToString()))
    assert len(await spans(recorder)) == stored + 100


async def test_spans_that_were_committed_without_their_ancestor_inherit_after_a_restart(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorder that is killed between a commit and the inheritance leaves spans without one."""
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    trace = bytes(range(16))
    for number, parent in ((1, 0), (2, 1), (3, 2)):
        span = scope.spans.add(trace_id=trace, span_id=bytes([number] * 8), name=f"span {number}")
        span.parent_span_id = bytes([parent] * 8) if parent else b""
        span.start_time_unix_nano = span.end_time_unix_nano = number
    root = ExportTraceServiceRequest()
    root.resource_spans.add().scope_spans.add().spans.append(scope.spans.pop(0))
    top = root.resource_spans[0].scope_spans[0].spans[0]
    top.attributes.add(key="restate.invocation.id").value.string_value = "inv_1"
    store = Store(settings.store)
    log = RequestLog(settings.store / FOLDER)
    entries = [await log.append(one.SerializeToString(), 100) for one in (message, root)]
    committer = Committer(store)
    for entry in entries:
        committer.commit([entry])
    store.close()
    log.close()
    async with open_recorder(settings, FREE) as recorder:
        await spans(recorder)
        assert recorder.health()["waiting_requests"] == 0
        rows = select(recorder, "SELECT DISTINCT invocation_id FROM spans")
    assert rows == [{"invocation_id": "inv_1"}]


async def test_requests_decoded_ahead_of_a_failed_commit_are_committed_in_order(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Committer._write
    sizes: list[int] = []

    def fail_twice(self: Committer, decoded: ArrowTable, **holds: bool) -> Any:
        sizes.append(decoded.num_rows)
        if len(sizes) in (2, 3):
            raise OSError("the disk is slow")
        return write(self, decoded, **holds)

    monkeypatch.setattr("playhead.record.ingest.commits.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("playhead.record.ingest.commits.COMMIT_WEIGHT", 1)
    monkeypatch.setattr(Committer, "_write", fail_twice)
    await logged(settings, [request(n, seed=n).SerializeToString() for n in (1, 2, 3, 4)])
    async with open_recorder(settings, FREE) as recorder:
        assert len(await spans(recorder)) == 10
    assert sizes == [1, 2, 2, 2, 3, 4]


async def test_queries_do_not_wait_for_commits_that_fail(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, ingest = Committer._write, recorder.ingest
    fails, fixed = asyncio.Event(), threading.Event()

    def fail(self: Committer, decoded: ArrowTable, **holds: bool) -> Any:
        if not fixed.is_set():
            loop.call_soon_threadsafe(fails.set)
            raise OSError("the disk is full")
        return write(self, decoded, **holds)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr("playhead.record.ingest.commits.RETRY_SECONDS", 0.05)
    monkeypatch.setattr("playhead.record.ingest.queue.SETTLE_SECONDS", 600.0)
    monkeypatch.setattr(Committer, "_write", fail)
    body = request(3).SerializeToString()
    await ingest.submit(len(body), lambda: inspect_protobuf(body))
    assert not await ingest.settled(), "the commit fails meanwhile"
    await fails.wait()
    await until_async(lambda: ingest.busy)
    assert not await ingest.settled(), "the last commit has failed"
    patient = asyncio.create_task(ingest.settled(60))
    fixed.set()
    assert await patient
    assert not ingest._commits.is_failing


async def test_queries_do_not_wait_for_invocations_that_cannot_be_inherited(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Committer, traces: Any) -> Any:
        raise duckdb.OutOfMemoryException("failed to allocate data")

    monkeypatch.setattr("playhead.record.ingest.commits.RETRY_SECONDS", 0.05)
    monkeypatch.setattr("playhead.record.ingest.queue.SETTLE_SECONDS", 600.0)
    inherit = Committer.inherit
    monkeypatch.setattr(Committer, "inherit", fail)
    ingest = recorder.ingest
    body = request(3).SerializeToString()
    await ingest.submit(len(body), lambda: inspect_protobuf(body))
    ingest._commits._changed_traces.add("t" * 32)
    assert not await ingest.settled()
    monkeypatch.setattr(Committer, "inherit", inherit)
    assert await ingest.settled(60)


async def test_commits_wait_for_queries_but_not_for_long_ones(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playhead.record.ingest.readers.YIELD_SECONDS", 600.0)
    ingest = recorder.ingest
    body = request(3).SerializeToString()
    with ingest.reading():
        await ingest.submit(len(body), lambda: inspect_protobuf(body))
        assert not await ingest.settled(0.5)
    assert await ingest.settled(60)
    monkeypatch.setattr("playhead.record.ingest.readers.YIELD_SECONDS", 0.0)
    body = request(3, seed=2).SerializeToString()
    with ingest.reading():
        await ingest.submit(len(body), lambda: inspect_protobuf(body))
        assert await ingest.settled(60)


async def test_spans_are_stored_once_when_their_commit_raises_an_error(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB reports an error of a commit that is in the file when its memory is used up."""
    write, failures = SpanWriter.write_table, [duckdb.TransactionException("Failed to commit")]

    def fail(self: SpanWriter, table: ArrowTable, **holds: bool) -> Any:
        written = write(self, table, **holds)
        if failures:
            recorder.store.uncertain += 1
            raise failures.pop()
        return written

    monkeypatch.setattr(SpanWriter, "write_table", fail)
    answer(await post(recorder, request(30, seed=1).SerializeToString()))
    await until_async(lambda: not failures)
    answer(await post(recorder, request(5, seed=2).SerializeToString()))
    assert len(await spans(recorder)) == 35
    assert recorder.health()["spans"] == 35


def _groups(store: Store, table: str = "spans") -> list[int]:
    """Return the rows of each row group of a table."""
    with store.reading() as cursor:
        rows: list[tuple[int]] = cursor.execute(
            f"SELECT sum(count)::BIGINT FROM pragma_storage_info('{table}') WHERE column_id = 0"
            " AND segment_type <> 'VALIDITY' GROUP BY row_group_id ORDER BY row_group_id"
        ).fetchall()
    return [count for (count,) in rows]


def _fill(store: Store, count: int) -> None:
    """Add spans with ids of their own."""
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO spans (trace_id, span_id, name) SELECT repeat('e', 32),"
            " format('{:016x}', (SELECT count(*) FROM spans) + range), '' FROM range(?)",
            [count],
        )


async def test_full_row_groups_are_checkpointed_while_requests_arrive(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playhead.record.ingest.commits.IDLE_SECONDS", 600.0)
    store = Store(tmp_path / "other")
    for _ in range(2):  # more rows in one transaction would be compressed at once
        _fill(store, FULL_GROUP // 2 - 1)
    shutil.copytree(store.folder, settings.store)  # with the write-ahead log, as after a crash
    store.close()
    async with open_recorder(settings, FREE) as recorder:
        answer(await post(recorder, request(1, seed=1).SerializeToString()))
        await until_async(lambda: recorder.ingest.spans == FULL_GROUP - 1)
        logged = recorder.store.log_bytes()
        assert logged > 0
        answer(await post(recorder, request(3, seed=2).SerializeToString()))
        await until_async(lambda: recorder.ingest.spans == FULL_GROUP + 2)
        assert recorder.store.log_bytes() < logged
        assert _groups(recorder.store) == [FULL_GROUP, 2]
        rows = select(recorder, "SELECT count(DISTINCT span_id) AS n FROM spans")
        assert rows == [{"n": FULL_GROUP + 2}]


def test_a_checkpoint_writes_full_row_groups_once(settings: Settings) -> None:
    """DuckDB would write four row groups again as soon as their rows fit into three."""
    store = Store(settings.store)
    for count in (FULL_GROUP, FULL_GROUP, 40_000, 50_000, 7):
        _fill(store, count)
        assert store.checkpoint(least_bytes=0, merge=False)
    assert _groups(store) == [FULL_GROUP, FULL_GROUP, 40_000, 50_000, 7]
    assert store.log_bytes() == 0
    _fill(store, 5)
    assert store.checkpoint(least_bytes=0)
    assert _groups(store) == [FULL_GROUP, FULL_GROUP, 90_012]
    store.close()


@pytest.mark.parametrize("seconds", [600.0, 0.0])
async def test_row_groups_that_are_not_full_are_merged_at_intervals(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr("playhead.record.ingest.commits.IDLE_SECONDS", 0.5)
    monkeypatch.setattr("playhead.record.ingest.checkpoints.LEAST_CHECKPOINT_BYTES", 1)
    monkeypatch.setattr("playhead.record.ingest.checkpoints.MERGE_SECONDS", seconds)
    store = Store(settings.store)
    for _ in range(2):
        _fill(store, 10)
        store.checkpoint(least_bytes=0, merge=False)
    store.close()
    in_checkpoints: list[int] = []
    checkpoint = Committer.checkpoint

    def counted(self: Committer, **options: Any) -> bool:
        rows = self.spans
        if done := checkpoint(self, **options):
            in_checkpoints.append(rows)
        return done

    monkeypatch.setattr(Committer, "checkpoint", counted)
    groups: list[list[int]] = []
    async with open_recorder(settings, FREE) as recorder:
        # A query that is open during a checkpoint keeps it from merging: the recorder makes some.
        for sent in range(1, 6):
            answer(await post(recorder, request(1, seed=sent).SerializeToString()))
            await until_async(lambda rows=20 + sent: rows in in_checkpoints)
            groups.append(_groups(recorder.store))
            if len(groups[-1]) == 1:
                break
    if seconds:
        assert groups == [[10, 10, *[1] * sent] for sent in range(1, 6)]
    else:
        assert groups[-1] == [20 + len(groups)]


def test_the_open_row_group_is_counted(settings: Settings) -> None:
    store = Store(settings.store)
    for _ in range(3):
        _fill(store, FULL_GROUP // 3)
    _fill(store, 7)
    assert open_rows(store.cursor(), "spans") == 7
    store.checkpoint(least_bytes=0)
    assert open_rows(store.cursor(), "spans") == 0
    assert open_rows(store.cursor(), "calls") == 0
    store.close()


def test_commits_are_a_load_within_a_second_and_stay_one_between_bursts() -> None:
    def commits(load: BusyShare, began: float, seconds: float) -> float:
        at = began
        while at < began + seconds:
            load.add(at, at + 0.025)
            at += 0.035
        return at

    load = BusyShare()
    assert load.share(commits(load, 100.0, 0.3)) < BUSY_SHARE
    assert load.share(commits(load, 100.3, 0.6)) > BUSY_SHARE
    at = commits(load, 101.0, 3.0)
    assert load.share(at + 2.0) > BUSY_SHARE
    assert load.share(at + 6.0) < BUSY_SHARE
