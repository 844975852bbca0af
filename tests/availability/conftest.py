"""Servers and stores with 0, 10 and 50,000 invocations, and every combination of sources."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from journal_fixtures import Handlers, handlers, restate
from many_requests import send_many
from playhead.local import RestateServer, free_port
from playhead.record.journal_copier import JournalCopier
from playhead.record.process import start_recorder
from playhead.restate.client import RestateClient
from playhead.settings import Settings
from playhead.store.database import DATABASE, Store
from playhead.store.journal_writer import JournalCopy, write_copy
from playhead.store.tables import INVOCATION_COLUMNS
from tui_idle import wait_for_the_loop
from waiting import until

sys.path.insert(0, str(Path(__file__).parent))

from situations import Situation, sql

__all__ = ["handlers", "restate", "wait_for_the_loop"]


@dataclass(frozen=True)
class Data:
    """A server, and two copies of a store with the same invocations."""

    server: RestateServer
    recorded: Path
    """Store of a running recorder."""
    file: Path
    """Store without a recorder."""
    ids: dict[str, str]


def count(server: RestateServer, where: str = "true") -> int:
    """Count invocations; -1 while a server that has just started cannot answer."""
    try:
        [row] = sql(
            server.admin_url, f"SELECT count(*) AS n FROM sys_invocation_status WHERE {where}"
        )
    except httpx.HTTPStatusError:
        return -1
    return int(row["n"])


def send_ten(calls: Handlers) -> dict[str, str]:
    """Start ten invocations; all but two end. Return the ids of some, by handler."""
    return {
        "fails": calls.finish("every/fails", 1),
        "ask": calls.finish("ai/ask", "How warm is it?"),
        "everything": calls.finish("every/everything", {"key": "one"}),  # and three that it calls
        "trivial": calls.finish("every/trivial", 1),
        "again": calls.finish("every/trivial", 2),
        "waits": calls.send("every/waits", 1),
        "naps": calls.send("every/naps", 1),
    }


async def _copy(server: RestateServer, folder: Path, whole: list[str]) -> None:
    """Copy all invocations into a new store, and the journals of some of them."""
    store = Store(folder)
    try:
        if not whole:
            return
        async with RestateClient(server.admin_url, timeout=60) as client:
            rows = await client.query_arrow(
                f"SELECT {', '.join(INVOCATION_COLUMNS)} FROM sys_invocation"
            )
            copier = JournalCopier(store, client)
            chosen = rows.filter([id_ in set(whole) for id_ in rows.column("id").to_pylist()])
            copies = await copier._read(chosen, set())
            others = rows.filter([id_ not in set(whole) for id_ in rows.column("id").to_pylist()])
            none = copies.journal.slice(0, 0)
            events = copies.events.slice(0, 0)
            write_copy(store, copies)
            write_copy(store, JournalCopy(others, none, events, None, [], []))
    finally:
        store.close()


def _finish(work: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine to its end, also when the test that asks for it has a running event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def data(
    handlers: Handlers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], Data]]:
    """Return the data of a size, which is made when it is first asked for."""
    made: dict[int, Data] = {}
    service = str(
        sql(handlers.server.admin_url, "SELECT endpoint FROM sys_deployment")[0]["endpoint"]
    )
    with ExitStack() as ends:

        def make(size: int) -> Data:
            if size in made:
                return made[size]
            folder = tmp_path_factory.mktemp(f"rows-{size}")
            server = ends.enter_context(RestateServer(folder / "restate"))
            ids: dict[str, str] = {}
            if size:
                server.register(service)
                ids = send_ten(Handlers(server, handlers.log))
                until(lambda: count(server) == 10, "the first ten invocations exist")
            if size > 10:
                _finish(send_many(server.ingress_port, "/every/naps/send?delay=1d", size - 10))
            until(lambda: count(server) == size, f"{size} invocations exist", seconds=60)
            ended = 8 if size else 0
            until(lambda: count(server, "status = 'completed'") == ended, "eight ended")
            suspended = 2 if size else 0
            until(lambda: count(server, "status = 'suspended'") == suspended, "two suspended")
            for name in ("recorded", "file"):
                if name == "recorded":
                    _finish(_copy(server, folder / name, list(ids.values())))
                else:
                    (folder / name).mkdir()
                    shutil.copy(folder / "recorded" / DATABASE, folder / name / DATABASE)
            settings = Settings(admin_url=server.admin_url, store=folder / "recorded")
            recorder = start_recorder(
                settings, folder / "recorder.log", free_ports=True, journals=False
            )
            ends.callback(recorder.stop)
            made[size] = Data(server, folder / "recorded", folder / "file", ids)
            return made[size]

        yield make


@pytest.fixture(scope="session")
def situation(
    data: Callable[[int], Data], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, int], Situation]:
    """Return a situation by the name of its sources and its number of rows."""
    empty = tmp_path_factory.mktemp("empty-store")

    def make(name: str, rows: int) -> Situation:
        there = data(rows)
        server, closed = there.server, f"http://127.0.0.1:{free_port()}"
        settings = Settings(
            admin_url=server.admin_url if "server" in name else closed,
            ingress_url=server.ingress_url if "server" in name else closed,
            store=there.recorded if "recorder" in name else there.file if "file" in name else empty,
            otlp_grpc_port=free_port(),
            otlp_http_port=free_port(),
            api_port=free_port(),
        )
        readable = name != "nothing"
        return Situation(name, settings, rows if readable else 0, there.ids)

    return make
