"""Compare the store's copies of journals with the server's rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playhead.local import RestateServer
from playhead.record import changed_invocations, journal_copier
from playhead.record.recorder import Recorder, open_recorder
from playhead.restate.client import RestateClient
from playhead.settings import Settings
from playhead.store.database import Store
from playhead.store.journal_writer import JournalCopy, copy_progress, write_copy
from playhead.store.query import to_arrow
from playhead.store.tables import INVOCATION_COLUMNS, JOURNAL_COLUMNS, TABLES
from waiting import until_async

from helpers import FREE, serve  # isort: skip
from otlp import client, select  # isort: skip

WITH_JOURNALS = replace(FREE, journals=True)
# Invoker and leader change this in memory, without a change to the invocation.
VOLATILE = {"last_awaiting_on_future_json"}


def at(server: RestateServer, folder: Path) -> Settings:
    return Settings(
        admin_url=server.admin_url, ingress_url=server.ingress_url, store=folder / "store"
    )


@pytest.fixture
async def copying(restate: RestateServer, service: str, tmp_path: Path) -> AsyncIterator[Recorder]:
    async with open_recorder(at(restate, tmp_path), WITH_JOURNALS) as running:
        yield running


async def call(server: RestateServer, path: str, body: Any = None, *, wait: bool = True) -> str:
    """Call a handler; return the id of the invocation."""
    async with client() as http:
        response = await http.post(f"{server.ingress_url}/{path}/send", json=body)
        invocation: str = response.raise_for_status().json()["invocationId"]
        if wait:
            url = f"{server.ingress_url}/restate/invocation/{invocation}/attach"
            (await http.get(url)).raise_for_status()
    return invocation


def stored(recorder: Recorder, table: str, columns: dict[str, str], where: str) -> list[Any]:
    names = ", ".join(f'"{name}"' for name in columns if name not in VOLATILE)
    cursor = recorder.store.cursor()
    try:
        return to_arrow(cursor, f"SELECT {names} FROM {table} WHERE {where}").to_pylist()
    finally:
        cursor.close()


async def on_server(
    server: RestateServer, table: str, columns: dict[str, str], where: str
) -> list[Any]:
    names = ", ".join(f'"{name}"' for name in columns if name not in VOLATILE)
    async with RestateClient(server.admin_url) as client:
        return (await client.query_arrow(f"SELECT {names} FROM {table} WHERE {where}")).to_pylist()


def comparable(rows: list[Any]) -> list[str]:
    """Make tables comparable: durations differ in their Arrow type only."""
    out: list[str] = []
    for row in rows:
        for name in ("completion_retention", "journal_retention"):
            value = row.get(name)
            if value is not None:
                seconds = getattr(value, "nanoseconds", None)
                row[name] = seconds / 1e9 if seconds is not None else value.total_seconds()
        for name, value in row.items():
            if hasattr(value, "timestamp"):
                row[name] = value.timestamp()
        out.append(repr(row))
    return sorted(out)


async def assert_same(recorder: Recorder, server: RestateServer, ids: Sequence[str]) -> None:
    """Compare the store's rows of these invocations with the server's, column by column."""
    listed = ", ".join(f"'{id_}'" for id_ in ids)
    for table, theirs, columns in (
        ("invocations", "sys_invocation", INVOCATION_COLUMNS),
        ("journal", "sys_journal", JOURNAL_COLUMNS),
        ("journal_events", "sys_journal_events", TABLES["journal_events"].types),
    ):
        where = f"id IN ({listed})"
        ours = stored(recorder, table, columns, where)
        assert comparable(ours) == comparable(await on_server(server, theirs, columns, where)), (
            table
        )
        assert ours or table == "journal_events"


async def copied(recorder: Recorder, *ids: str) -> None:
    """Wait until these invocations are copied after their end."""
    listed = ", ".join(f"'{id_}'" for id_ in ids)
    sql = f"SELECT count(*) AS n FROM journal_copies WHERE final AND id IN ({listed})"
    await until_async(lambda: select(recorder, sql) == [{"n": len(ids)}])


async def test_journals_equal_the_servers_byte_for_byte(
    copying: Recorder, restate: RestateServer
) -> None:
    ids = [
        await call(restate, "plain/steps", 5),
        await call(restate, "plain/steps", 0),
        await call(restate, "plain/flaky", "one"),
        await call(restate, "counter/a'b/add", 3),
        await call(restate, "counter/a'b/add", 4),
    ]
    await copied(copying, *ids)
    await assert_same(copying, restate, ids)
    raw = select(copying, "SELECT sum(raw_length) AS n, sum(octet_length(raw)) AS m FROM journal")
    assert raw[0]["n"] == raw[0]["m"] > 1000
    events = select(copying, "SELECT event_type FROM journal_events WHERE id = ?", ids[2])
    assert {event["event_type"] for event in events} == {"TransientError"}


async def test_state_of_virtual_objects(copying: Recorder, restate: RestateServer) -> None:
    async def same(key: str) -> bool:
        where = f"service_name = 'counter' AND service_key = '{key}'"
        columns = {name: kind for name, kind in TABLES["state"].types.items() if name != "cluster"}
        theirs = await on_server(restate, "state", columns, where)
        return comparable(stored(copying, "state", columns, where)) == comparable(theirs)

    await copied(copying, await call(restate, "counter/one/add", 3))
    await copied(copying, await call(restate, "counter/two/add", 1))
    assert await same("one")
    rows = select(copying, "SELECT key, value_utf8 FROM state WHERE service_key = 'one' ORDER BY 1")
    assert rows == [{"key": "note 3", "value_utf8": '"x"'}, {"key": "value", "value_utf8": "3"}]
    await copied(copying, await call(restate, "counter/one/clear"))
    assert await same("one")
    assert select(copying, "SELECT * FROM state WHERE service_key = 'one'") == []
    assert len(select(copying, "SELECT * FROM state WHERE service_key = 'two'")) == 2


async def test_a_change_is_copied_within_a_second(
    restate: RestateServer, service: str, tmp_path: Path
) -> None:
    """A round copies what has ended, although no comparison of all invocations is due.

    The clock does not advance, and no span reports the change.
    """
    rounds = journal_copier.ROUND_SECONDS + changed_invocations.SHORTEST_PAUSE_SECONDS
    assert rounds < 1.0 < changed_invocations.FULL_SECONDS
    now = 0.0
    store = Store(tmp_path)
    async with RestateClient(restate.admin_url) as server:
        copier = journal_copier.JournalCopier(store, server, clock=lambda: now)
        await copier.copy_changes()
        for _ in range(3):
            id_ = await call(restate, "plain/steps", 2)
            ended = f"SELECT id FROM sys_invocation WHERE id = '{id_}' AND status = 'completed'"
            await until_async(lambda ended=ended: server.query(ended))
            now += rounds
            await copier.copy_changes()
            assert copy_progress(store)[id_].final
    store.close()


async def test_an_unfinished_invocation_that_the_server_no_longer_has_is_marked_soon(
    restate: RestateServer, service: str, tmp_path: Path
) -> None:
    """Only its absence shows its end, and no comparison of all invocations is due."""
    now = 0.0
    store = Store(tmp_path)
    async with RestateClient(restate.admin_url) as server, client() as http:
        copier = journal_copier.JournalCopier(store, server, clock=lambda: now)
        sends = f"{restate.ingress_url}/plain/steps/send?delay=1h"
        ids = [(await http.post(sends, json=1)).json()["invocationId"] for _ in range(2)]
        of_both = f"SELECT id FROM sys_invocation WHERE id IN ('{ids[0]}', '{ids[1]}')"

        async def on_the_server(number: int) -> bool:
            return len(await server.query(of_both)) == number

        def statuses() -> list[str]:
            rows = store.cursor().execute(
                f"SELECT status FROM invocations WHERE id IN ('{ids[0]}', '{ids[1]}') ORDER BY 1"
            )
            return [status for (status,) in rows.fetchall()]

        await until_async(lambda: on_the_server(2))
        await copier.copy_changes()
        assert statuses() == ["scheduled"] * 2
        for change in ("kill", "purge"):  # one that has not begun may be gone after the first
            await http.patch(f"{restate.admin_url}/invocations/{ids[0]}/{change}")
        await until_async(lambda: on_the_server(1))
        for _ in range(int(changed_invocations.TURN_SECONDS) + 1):
            now += changed_invocations.LOOK_SECONDS
            await copier.copy_changes()
        assert now < changed_invocations.FULL_SECONDS
        assert statuses() == ["gone", "scheduled"]
        await http.patch(f"{restate.admin_url}/invocations/{ids[1]}/kill")
    store.close()


async def test_a_running_invocation_is_copied_as_it_grows(
    copying: Recorder, restate: RestateServer
) -> None:
    id_ = await call(restate, "plain/growing", 400, wait=False)
    sizes: set[int] = set()

    def finished() -> bool:
        [row] = select(copying, "SELECT count(*) AS n FROM journal WHERE id = ?", id_)
        sizes.add(row["n"])
        return select(copying, "SELECT final FROM journal_copies WHERE id = ?", id_) == [
            {"final": True}
        ]

    await until_async(finished, seconds=60)
    assert len(sizes) > 2, sizes
    await assert_same(copying, restate, [id_])


async def test_a_waiting_invocation_and_its_end(copying: Recorder, restate: RestateServer) -> None:
    id_ = await call(restate, "plain/waiting", wait=False)
    await until_async(lambda: bool(select(copying, "SELECT 1 FROM invocations WHERE id = ?", id_)))
    async with client() as http:
        await http.patch(f"{restate.admin_url}/invocations/{id_}/kill")
    await copied(copying, id_)
    await assert_same(copying, restate, [id_])
    [row] = select(copying, "SELECT completion_failure FROM invocations WHERE id = ?", id_)
    assert "killed" in row["completion_failure"]


async def test_purged_invocations_stay_in_the_store(
    copying: Recorder, restate: RestateServer
) -> None:
    id_ = await call(restate, "plain/steps", 4)
    other = await call(restate, "plain/steps", 4)
    await copied(copying, id_, other)
    async with client() as http:
        for path in (f"{id_}/purge", f"{other}/purge-journal"):
            await http.patch(f"{restate.admin_url}/invocations/{path}")

    async def purged() -> bool:
        where = f"id IN ('{id_}', '{other}')"
        return not await on_server(restate, "sys_journal", JOURNAL_COLUMNS, where)

    await until_async(purged)
    await copied(copying, await call(restate, "plain/steps", 1))
    copying.copier._changes.scan_now()  # type: ignore[union-attr]
    await copying.copier.copy_changes()  # type: ignore[union-attr]
    for kept in (id_, other):
        [row] = select(copying, "SELECT count(*) AS n FROM journal WHERE id = ?", kept)
        assert row == {"n": 10}
        assert select(copying, "SELECT status FROM invocations WHERE id = ?", kept)


async def test_copying_continues_after_a_restart_of_the_server(
    own_restate: RestateServer, tmp_path: Path
) -> None:
    with serve(tmp_path) as (_, url):
        own_restate.register(url)
        async with open_recorder(at(own_restate, tmp_path), WITH_JOURNALS) as recorder:
            copier = recorder.copier
            assert copier is not None
            before = await call(own_restate, "plain/steps", 3)
            await copied(recorder, before)
            await asyncio.to_thread(own_restate.kill)
            await until_async(lambda: copier.problem is not None)
            problem = recorder.health()["journals"]["problem"]
            assert own_restate.admin_url in problem
            await asyncio.to_thread(own_restate.start)
            await until_async(lambda: copier.problem is None)
            after = await call(own_restate, "plain/steps", 2)
            await copied(recorder, after)
            await assert_same(recorder, own_restate, [before, after])


async def test_a_recorder_started_later_copies_earlier_invocations(
    own_restate: RestateServer, tmp_path: Path
) -> None:
    settings = at(own_restate, tmp_path)
    with serve(tmp_path) as (_, url):
        own_restate.register(url)
        ids = await asyncio.gather(*(call(own_restate, "plain/steps", n % 3) for n in range(60)))
        async with open_recorder(settings, WITH_JOURNALS) as recorder:
            await copied(recorder, *ids)
            await assert_same(recorder, own_restate, ids)
        async with open_recorder(settings, WITH_JOURNALS) as recorder:
            # Invocations copied after their end are not read again.
            assert recorder.copier is not None
            assert await recorder.copier.copy_changes() == 0
            await copied(recorder, *ids, await call(own_restate, "plain/steps", 1))


async def test_the_servers_spans_count_attempts(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "store")
    async with open_recorder(settings, FREE) as recorder:
        endpoint = f"otlp+http://127.0.0.1:{recorder.endpoint.otlp_http_port}/v1/traces"
        server = RestateServer(tmp_path / "restate", tracing_endpoint=endpoint)
        with serve(tmp_path) as (_, url):
            await asyncio.to_thread(server.start)
            try:
                server.register(url)
                flaky = await call(server, "plain/flaky", "traced")
                calm = await call(server, "plain/steps", 2)
                sql = "SELECT count(*) AS n FROM attempts WHERE invocation_id = ?"
                await until_async(lambda: select(recorder, sql, calm) == [{"n": 1}])
                await until_async(lambda: select(recorder, sql, flaky) == [{"n": 3}])
            finally:
                await asyncio.to_thread(server.stop)


async def test_journals_that_are_too_long_for_one_answer_are_read_in_parts(
    restate: RestateServer, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await call(restate, "plain/steps", 2) for _ in range(3)]
    for name in ("FEWEST_ENTRIES", "MOST_ENTRIES", "LARGE_BYTES"):
        monkeypatch.setattr(f"playhead.record.journal_copier.{name}", 1)
    read: list[int] = []

    def note(store: Store, copy: JournalCopy) -> None:
        read.append(copy.invocations.num_rows)
        write_copy(store, copy)

    monkeypatch.setattr(journal_copier, "write_copy", note)
    async with open_recorder(at(restate, tmp_path), WITH_JOURNALS) as recorder:
        await copied(recorder, *ids)
        await assert_same(recorder, restate, ids)
    assert max(read) == 1


async def test_a_copy_of_most_invocations_reads_the_events_of_those_that_have_any(
    restate: RestateServer, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaky = await call(restate, "plain/flaky", "copied late")
    calm = [await call(restate, "plain/steps", 1) for _ in range(3)]
    monkeypatch.setattr(journal_copier, "BULK_IDS", 2)
    asked: list[str] = []

    class Noting(RestateClient):
        async def query_arrow(self, sql: str) -> Any:
            asked.append(sql)
            return await super().query_arrow(sql)

    store = Store(tmp_path)
    async with Noting(restate.admin_url) as live:
        await journal_copier.JournalCopier(store, live).copy_changes()
    sql = "SELECT * FROM {} WHERE id = '" + flaky + "' ORDER BY appended_at"
    cursor = store.cursor()
    events = to_arrow(cursor, sql.format("journal_events")).to_pylist()
    cursor.close()
    store.close()
    async with RestateClient(restate.admin_url) as live:
        assert events == (await live.query_arrow(sql.format("sys_journal_events"))).to_pylist()
    assert len(events) >= 1
    read = " ".join(sql for sql in asked if "sys_journal_events WHERE" in sql)
    assert flaky in read
    assert not [id_ for id_ in calm if id_ in read]


async def test_journals_are_stored_once_when_their_commit_raises_an_error(
    copying: Recorder, restate: RestateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [duckdb.TransactionException("Failed to commit") for _ in range(2)]

    def fail(store: Store, copy: JournalCopy) -> None:
        write_copy(store, copy)
        if failures:
            store.uncertain += 1
            raise failures.pop()

    monkeypatch.setattr(journal_copier, "write_copy", fail)
    ids = [await call(restate, "plain/steps", 3) for _ in range(3)]
    await copied(copying, *ids)
    await until_async(lambda: not failures)
    await assert_same(copying, restate, ids)


async def test_what_changes_does_not_wait_for_the_journals_of_others(
    restate: RestateServer, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [await call(restate, "plain/steps", 1) for _ in range(3)]
    for name in ("FEWEST_ENTRIES", "MOST_ENTRIES", "LARGE_BYTES"):
        monkeypatch.setattr(journal_copier, name, 1)
    monkeypatch.setattr(journal_copier, "ROUND_SECONDS", 0)
    new = ""

    class Starting(RestateClient):
        async def query_arrow(self, sql: str) -> Any:
            nonlocal new
            if not new and "FROM sys_journal WHERE" in sql:
                new = await call(restate, "plain/waiting", wait=False)

                async def runs() -> bool:
                    sql = f"SELECT id FROM sys_invocation_state WHERE id = '{new}' AND in_flight"
                    return bool(await self.query(sql))

                await until_async(runs)
            return await super().query_arrow(sql)

    copied: list[str] = []
    store = Store(tmp_path)
    async with Starting(restate.admin_url) as live:
        await journal_copier.JournalCopier(store, live, changed=copied.extend).copy_changes()
    store.close()
    assert set(copied) >= {*old, new}
    assert copied.index(new) < max(copied.index(id_) for id_ in old)
    async with client() as http:
        await http.patch(f"{restate.admin_url}/invocations/{new}/kill")


class Purging(RestateClient):
    """A client of a server that purges an invocation before its journal is read."""

    purged = ""

    async def query_arrow(self, sql: str) -> Any:
        if self.purged and "FROM sys_journal WHERE" in sql:
            await self.change("PATCH", f"/invocations/{self.purged}/purge")
            where = f"id = '{self.purged}'"

            async def gone() -> bool:
                return not await self.query(f"SELECT id FROM sys_journal WHERE {where}")

            await until_async(gone)
            self.purged = ""
        return await super().query_arrow(sql)


async def test_a_purge_between_the_row_and_the_journal(
    restate: RestateServer, service: str, tmp_path: Path
) -> None:
    id_, other = [await call(restate, "plain/steps", 2) for _ in range(2)]
    store = Store(tmp_path)
    async with Purging(restate.admin_url) as live:
        assert isinstance(live, Purging)
        live.purged = id_
        copier = journal_copier.JournalCopier(store, live)
        for _ in range(2):
            await copier.copy_changes()
            copier._changes.scan_now()
        assert copier.problem is None
    cursor = store.cursor()
    sql = f"SELECT status, journal_size > 0 FROM invocations WHERE id = '{id_}'"
    assert cursor.execute(sql).fetchall() == [("completed", True)]
    sql = f"SELECT id FROM journal WHERE id IN ('{id_}', '{other}') GROUP BY id"
    assert cursor.execute(sql).fetchall() == [(other,)]
    cursor.close()
    store.close()


async def test_a_node_with_a_clock_that_is_ahead_hides_no_changes(
    restate: RestateServer, service: str, tmp_path: Path
) -> None:
    """Scans look at what changed since the newest change, whose time may be another node's."""
    now = 0.0
    store = Store(tmp_path)
    async with RestateClient(restate.admin_url) as live:
        copier = journal_copier.JournalCopier(store, live, clock=lambda: now)
        await call(restate, "plain/steps", 1)
        await copier.copy_changes()
        changes = copier._changes
        changes._newest_ms += 8_000
        near = await call(restate, "plain/steps", 1)
        now += 20
        await copier.copy_changes()
        assert near in copier._copied
        changes._newest_ms += 3_600_000
        far = await call(restate, "plain/steps", 1)
        now += 300
        await copier.copy_changes()
        assert far in copier._copied
    store.close()
