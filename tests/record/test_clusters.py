"""Two clusters in one store: what each of them has is told from what the other has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from playhead.cli import cli
from playhead.errors import AmbiguousObjectError, RestateError
from playhead.local import RestateServer
from playhead.model import Invocation
from playhead.reader.reader import Reader
from playhead.record.client import connect
from playhead.record.journal_copier import JournalCopier
from playhead.record.uptime import Uptime
from playhead.restate.client import RestateClient
from playhead.settings import Settings
from playhead.store.database import Store
from waiting import until_async

from otlp import client  # isort: skip


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory, service: str) -> Iterator[RestateServer]:
    """A server of a cluster with a name, beside the shared one, which has Restate's default."""
    env = {"RESTATE_CLUSTER_NAME": "production"}
    with RestateServer(tmp_path_factory.mktemp("production"), env=env) as server:
        server.register(service)
        yield server


@pytest.fixture
async def live(production: RestateServer) -> AsyncIterator[RestateClient]:
    async with RestateClient(production.admin_url) as opened:
        yield opened


@pytest.fixture
async def other(restate: RestateServer) -> AsyncIterator[RestateClient]:
    async with RestateClient(restate.admin_url) as opened:
        yield opened


async def waiting(server: RestateServer, live: RestateClient) -> str:
    """Start an invocation that does not end, and return its id when it is running."""
    async with client() as http:
        response = await http.post(f"{server.ingress_url}/plain/waiting/send")
    id_: str = response.json()["invocationId"]

    async def running() -> bool:
        rows = await live.query(f"SELECT status FROM sys_invocation WHERE id = '{id_}'")
        return [row["status"] for row in rows] == ["running"]

    await until_async(running)
    return id_


async def end(server: RestateServer, live: RestateClient, id_: str) -> None:
    """Kill and purge an invocation."""

    async def ended() -> bool:
        rows = await live.query(f"SELECT status FROM sys_invocation WHERE id = '{id_}'")
        return [row["status"] for row in rows] == ["completed"]

    async def purged() -> bool:
        return not await live.query(f"SELECT id FROM sys_invocation WHERE id = '{id_}'")

    async with client() as http:
        await http.patch(f"{server.admin_url}/invocations/{id_}/kill")
        await until_async(ended)
        await http.patch(f"{server.admin_url}/invocations/{id_}/purge")
    await until_async(purged)


async def copy(folder: Path, live: RestateClient) -> None:
    """Copy all changes, as a recorder does that has just started."""
    store = Store(folder)
    try:
        await JournalCopier(store, live).copy_changes()
    finally:
        store.close()


async def shown(folder: Path, live: RestateClient | None, id_: str, text: str) -> Invocation | None:
    """Return a row of the list, which must be the one in the details and after a refresh."""
    store = await connect(Settings(store=folder))
    assert store is not None
    reader = Reader(live, store)
    try:
        page = await reader.invocations(filter=text)
        row = next((row for row in page.rows if row.id == id_), None)
        detail = await reader.invocation(id_)
        assert detail is not None
        if row is not None:
            assert (row.status, row.cluster) == (detail.summary.status, detail.summary.cluster)
            if live is not None:
                [again] = (await reader.refresh([id_])).rows
                assert again.status == row.status
        return row
    finally:
        await store.close()


async def test_what_another_cluster_has_is_not_gone(
    production: RestateServer, restate: RestateServer, live: RestateClient, other: RestateClient,
    tmp_path: Path,
) -> None:  # fmt: skip
    address = f"localcluster@localhost:{restate.admin_port}"
    assert (await live.cluster(), await other.cluster()) == ("production", address)
    first = await waiting(production, live)
    await copy(tmp_path, live)
    second = await waiting(restate, other)
    await copy(tmp_path, other)  # the recorder looks at another server now
    row = await shown(tmp_path, other, first, "cluster:production")
    assert row is not None
    assert (row.status, row.origin, row.cluster) == ("running", "stored", "production")
    assert await shown(tmp_path, other, first, f"cluster:{address}") is None
    row = await shown(tmp_path, other, second, f"cluster:{address}")
    assert row is not None
    assert (row.status, row.origin, row.cluster) == ("running", "live", address)

    await end(production, live, first)
    await end(restate, other, second)
    await copy(tmp_path, other)
    row = await shown(tmp_path, None, first, "cluster:prod*")
    assert row is not None
    assert row.status == "running"  # only its own server can tell
    assert (await gone(tmp_path)) == {second}
    await copy(tmp_path, live)
    assert (await gone(tmp_path)) == {first, second}


async def gone(folder: Path) -> set[str]:
    store = await connect(Settings(store=folder))
    assert store is not None
    rows = await store.rows("SELECT id FROM invocations WHERE status = 'gone'")
    await store.close()
    return {row["id"] for row in rows}


class Switching(RestateClient):
    """A client of an address at which another cluster answers from the third question on."""

    asked = 0

    async def cluster(self, *, fresh: bool = False) -> str:
        self.asked += 1
        return "first" if self.asked < 3 else "second"


async def test_a_switch_within_a_round_stores_nothing_of_it(
    production: RestateServer, live: RestateClient, tmp_path: Path
) -> None:
    id_ = await waiting(production, live)
    store = Store(tmp_path)
    async with Switching(production.admin_url) as switching:
        copier = JournalCopier(store, switching)
        with pytest.raises(RestateError, match="another cluster"):
            await copier.copy_changes()
        assert not copier.invocations
        await copier.copy_changes()
    found = store.cursor().execute("SELECT cluster FROM invocations WHERE id = ?", [id_]).fetchall()
    assert found == [("second",)]
    store.close()
    await end(production, live, id_)


async def test_an_id_that_two_clusters_have_is_taken_over_whole(
    production: RestateServer, live: RestateClient, tmp_path: Path
) -> None:
    """Ids of workflows and of requests with an idempotency key are equal in all clusters."""
    id_ = await waiting(production, live)
    store = Store(tmp_path)
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO invocations (id, status, cluster) VALUES (?, 'completed', 'old')", [id_]
        )
        connection.execute(
            'INSERT INTO journal (id, "index") SELECT ?, range FROM range(300)', [id_]
        )
        connection.execute(
            "INSERT INTO journal_copies VALUES (?, 9000000000000, 300, true, 'old')", [id_]
        )
    await JournalCopier(store, live).copy_changes()

    def select(sql: str) -> list[Any]:
        return store.cursor().execute(sql, [id_]).fetchall()

    assert select("SELECT status, cluster FROM invocations WHERE id = ?") == [
        ("running", "production")
    ]
    [(size,)] = select("SELECT journal_size FROM invocations WHERE id = ?")
    assert select("SELECT count(*) FROM journal WHERE id = ?") == [(size,)]
    assert 0 < size < 300
    store.close()
    await end(production, live, id_)


async def test_a_server_without_a_name_has_its_address() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404)

    transport = httpx.MockTransport(answer)
    async with RestateClient("https://env.restate.cloud:9070", transport=transport) as cloud:
        assert await cloud.cluster() == "env.restate.cloud:9070"


async def add(server: RestateServer, number: int) -> None:
    async with client() as http:
        answer = await http.post(f"{server.ingress_url}/counter/shared/add", json=number)
        answer.raise_for_status()


async def test_each_cluster_has_the_state_of_its_objects(
    production: RestateServer, restate: RestateServer, live: RestateClient, other: RestateClient,
    tmp_path: Path,
) -> None:  # fmt: skip
    address = await other.cluster()
    for number in (3, 4):
        await add(production, number)
    await add(restate, 5)
    store = Store(tmp_path)
    with store.transaction() as connection:  # copied before the cluster was kept
        connection.execute(
            "INSERT INTO state (service_name, service_key, key, value) "
            "VALUES ('counter', 'shared', 'older', '1')"
        )
    store.close()
    await copy(tmp_path, live)
    await copy(tmp_path, other)

    stored = await connect(Settings(store=tmp_path))
    assert stored is not None
    for server, cluster, value, sets in (
        (None, "production", 7, [3, 7]),
        (None, address, 5, [5]),
        (other, "production", 7, [3, 7]),
        (other, "", 5, [5]),
        (live, "", 7, [3, 7]),
    ):
        objects = Reader(server, stored).objects
        found = await objects.object_state("counter", "shared", cluster=cluster)
        expected = cluster or (await server.cluster() if server else None)
        assert found.cluster == expected
        assert found.origin == ("live" if server and not cluster else "stored")
        assert {one.key: one.value for one in found.values if one.key in ("value", "older")} == {
            "value": value
        }
        page = await objects.objects(service="counter", text="shared", cluster=cluster)
        assert [(one.name, one.cluster) for one in page.rows] == [("counter/shared", expected)]
        history = await Reader(server, stored).state_history("counter", "shared", cluster=cluster)
        assert [one.value for one in history.changes if one.key == "value"] == sets
        assert (history.state["value"], history.unexplained) == (value, ())
        assert history.cluster == expected
    reader = Reader(None, stored)
    page = await reader.objects.objects(text="counter/shared")
    assert page.several_clusters
    assert {one.cluster for one in page.rows} == {"production", address}
    for read in (reader.objects.object_state, reader.state_history):
        with pytest.raises(AmbiguousObjectError, match="2 clusters") as several:
            await read("counter", "shared")
        assert f"{address}, production" in several.value.hint
    for row in (await reader.invocations(filter="service=counter key=shared")).rows:
        detail = await reader.invocation(row.id)
        assert detail is not None
        assert detail.state["value"] == (7 if row.cluster == "production" else 5)
    await stored.close()

    away = ["--admin-url", "http://127.0.0.1:1", "--store", str(tmp_path), "state"]

    async def run(*arguments: str) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, cli, [*away, *arguments])
        return f"{result.exit_code} {result.output}"

    assert "CLUSTER" in await run()
    assert "CLUSTER" not in await run("--cluster", "production")
    assert (await run("counter/shared")).startswith("2 ")
    assert "\n  7\n" in await run("counter/shared", "--cluster", "production")
    assert (await run("counter/shared", "--history", "--cluster", address)).count("#") == 2
    assert "leave out --cluster" in await run(
        "counter/x", "set", "a", "1", "--cluster", "production"
    )


async def test_a_period_of_recording_is_one_clusters(
    production: RestateServer, restate: RestateServer, tmp_path: Path
) -> None:
    """Otherwise it would show that no attempt is missing for invocations of another cluster."""
    store = Store(tmp_path)

    def clusters() -> list[Any]:
        rows = store.cursor().execute("SELECT cluster FROM recordings ORDER BY started_at")
        return [name for (name,) in rows.fetchall()]

    expected = ["production", f"localcluster@localhost:{restate.admin_port}"]
    for number, server in enumerate((production, restate), 1):
        running = asyncio.ensure_future(Uptime(store, server.admin_url).run())
        await until_async(lambda number=number: len(clusters()) == number)
        running.cancel()
        await asyncio.wait({running})
    assert clusters() == expected
    store.close()
