"""Measure how long after a change on the server the list shows it.

    python -m benchmarks freshness [--stored 10 1000 100000] [--changes 40] [--busy]

Starts a restate-server, a trivial handler, a recorder and the dashboard (without a terminal) and
makes changes: new invocations that end at once, new ones that wait, and waiting ones that end. The
time of a change is the server's own `created_at` or `completed_at`; the time on screen is when the
row with the new status is in the text of the screen. As a floor, the same run polls the server's
SQL for that row without a pause.

Then it purges invocations through the admin API, and measures from its answer until a row in view
is marked as deleted, until one on the last of several pages is, and until the totals no longer
count one that is killed and purged before it began.

Prints p50, p95 and maximum in milliseconds, and the CPU time of the server, the recorder and the
dashboard per second. With `--busy`, one process per core computes meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.record.process import start_recorder
from playhead.restate.client import RestateClient
from playhead.settings import Settings
from playhead_tui.app import PlayheadApp
from playhead_tui.sources.connector import connector

from benchmarks.scale import HANDLERS, answers, fill

SIZES = (10, 1_000, 100_000)
CHANGES = 40
DELETIONS = 8
PAGES = 5
"""Pages of the list that are read before invocations are deleted."""
LOOK_SECONDS = 0.02
"""Pause between two looks at the screen, and so the resolution."""
GIVE_UP_SECONDS = 60.0
WAITING = ("suspended", "scheduled")
Press = Callable[[str], Awaitable[None]]
SERVICE = """
import asyncio, sys
import hypercorn.asyncio, hypercorn.config, restate

gate = restate.Workflow("Gate")

@gate.main()
async def wait(ctx: restate.WorkflowContext, request: int) -> str:
    return await ctx.promise("open", type_hint=str).value()

@gate.handler()
async def open(ctx: restate.WorkflowSharedContext, text: str) -> None:
    await ctx.promise("open", type_hint=str).resolve(text)

quick = restate.VirtualObject("Quick")

@quick.handler()
async def done(ctx: restate.ObjectContext, number: int) -> int:
    return number

config = hypercorn.config.Config()
config.bind = [f"127.0.0.1:{sys.argv[1]}"]
asyncio.run(hypercorn.asyncio.serve(restate.app([gate, quick]), config))
"""


@dataclass
class Delays:
    """Seconds from a change on the server to the screen, and to a poll of the server's SQL."""

    screen: list[float] = field(default_factory=list[float])
    floor: list[float] = field(default_factory=list[float])


def compute() -> None:
    """Keep a core busy."""
    while True:
        sum(range(100_000))


@contextmanager
def busy(wanted: bool) -> Generator[None]:
    """Keep every core busy within the block."""
    children = [
        multiprocessing.Process(target=compute, daemon=True)
        for _ in range(os.cpu_count() or 1)
        if wanted
    ]
    for child in children:
        child.start()
    try:
        yield
    finally:
        for child in children:
            child.terminate()
            child.join()


class Watch:
    """Independent looks at the server and at the screen."""

    def __init__(self, app: PlayheadApp, server: RestateServer, client: RestateClient) -> None:
        self.app = app
        self.server = server
        self.client = client

    def on_screen(self, target: str, statuses: Sequence[str]) -> bool:
        """Return whether a line of the screen has the target and one of the statuses."""
        for strip in self.app.screen._compositor.render_strips():  # pyright: ignore[reportPrivateUsage]
            line = "".join(segment.text for segment in strip)
            if target in line and any(status in line for status in statuses):
                return True
        return False

    async def until_on_screen(self, target: str, statuses: Sequence[str]) -> float:
        """Return the time at which the screen shows it, in seconds since 1970."""
        begun = time.monotonic()
        while not self.on_screen(target, statuses):
            if time.monotonic() - begun > GIVE_UP_SECONDS:
                raise TimeoutError(f"{target} never became {statuses} on screen")
            await asyncio.sleep(LOOK_SECONDS)
        return time.time()

    async def until_on_server(self, target: str, column: str) -> tuple[float, float]:
        """Return the server's time of the change, and when a poll of its SQL saw it."""
        sql = (
            f"SELECT i.{column} AS at FROM sys_invocation i WHERE i.id = '{target}'"
            f" AND i.{column} IS NOT NULL"
        )
        begun = time.monotonic()
        while not (rows := await self.client.query(sql)):
            if time.monotonic() - begun > GIVE_UP_SECONDS:
                raise TimeoutError(f"{target} has no {column}")
        return datetime.fromisoformat(rows[0]["at"]).replace(tzinfo=UTC).timestamp(), time.time()

    async def change(
        self,
        delays: Delays,
        send: tuple[str, Any],
        target: str,
        statuses: Sequence[str],
        column: str,
        ident: str = "",
    ) -> str:
        """Send a request, and measure until the row shows one of the statuses; return the id."""
        async with httpx.AsyncClient(timeout=60) as http:
            answer = await http.post(f"{self.server.ingress_url}/{send[0]}", json=send[1])
        ident = ident or answer.raise_for_status().json()["invocationId"]
        shown, (changed, polled) = await asyncio.gather(
            self.until_on_screen(target, statuses), self.until_on_server(ident, column)
        )
        delays.screen.append(shown - changed)
        delays.floor.append(polled - changed)
        return ident

    async def delete(
        self, delays: Delays, ident: str, seen: Callable[[], bool], *changes: str
    ) -> None:
        """Make changes, the last of which deletes, and measure until that is seen."""
        async with httpx.AsyncClient(timeout=60) as http:
            for change in changes:
                await http.patch(f"{self.server.admin_url}/invocations/{ident}/{change}")
        begun = time.monotonic()

        async def on_server() -> None:
            sql = f"SELECT id FROM sys_invocation_status WHERE id = '{ident}'"
            while await self.client.query(sql):
                pass
            delays.floor.append(time.monotonic() - begun)

        async def on_screen() -> None:
            await self.until(seen, f"the deletion of {ident} is seen")
            delays.screen.append(time.monotonic() - begun)

        await asyncio.gather(on_server(), on_screen())

    async def until(self, seen: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        begun = time.monotonic()
        while not seen():
            if time.monotonic() - begun > GIVE_UP_SECONDS:
                raise TimeoutError(f"not so after {GIVE_UP_SECONDS:.0f} s: {what}")
            await asyncio.sleep(LOOK_SECONDS)


async def deletions(watch: Watch, press: Press, number: int, run: str) -> dict[str, Delays]:
    """Return the delays of deletions by others, by where the invocation is."""
    screen: Any = watch.app.screen
    kinds = {name: Delays() for name in ("deleted, in view", "deleted, far", "unfinished, counted")}

    def is_deleted(ident: str) -> bool:
        row = screen.cache.get(ident)
        return row is None or row.origin == "stored"

    def scheduled() -> int:
        totals = screen.totals.everything
        return totals.by_status.get("scheduled", 0) if totals else 0

    waiting: list[str] = []
    async with httpx.AsyncClient(timeout=60) as http:
        for place in range(number):
            url = f"{watch.server.ingress_url}/Gate/{run}later{place}/wait/send?delay=1h"
            waiting.append((await http.post(url, json=1)).json()["invocationId"])
    await watch.until(lambda: scheduled() >= number, "the scheduled invocations are counted")
    for _ in range(PAGES):
        await press("G")
        await asyncio.sleep(2)
    await press("g")
    await asyncio.sleep(2)
    ended = [row for row in screen.listing.rows if row.ended]
    near = [row for row in ended if row in screen.listing.rows_in_view][:number]
    for place, (row, far) in enumerate(zip(near, ended[-number:], strict=True)):
        await asyncio.sleep(0.1 + 0.37 * place)  # spread over the periods of the reads
        mark = watch.app.glyphs.stored
        seen = partial(watch.on_screen, row.target, (mark,))
        await watch.delete(kinds["deleted, in view"], row.id, seen, "purge")
        await watch.delete(kinds["deleted, far"], far.id, partial(is_deleted, far.id), "purge")
    for ident in waiting:
        before = scheduled()
        fewer = kinds["unfinished, counted"]
        await watch.delete(fewer, ident, lambda b=before: scheduled() < b, "kill", "purge")
    return kinds


async def measure(
    server: RestateServer, settings: Settings, recorder: int, changes: int, run: str
) -> tuple[dict[str, Delays], dict[str, float]]:
    """Return the delays by kind of change, and CPU seconds per second by process."""
    kinds = {name: Delays() for name in ("new, ended", "new, waiting", "ended")}
    app = PlayheadApp(connector(settings, record=False))
    async with app.run_test(size=(140, 50)) as pilot, RestateClient(server.admin_url) as client:
        watch = Watch(app, server, client)
        screen: Any = app.screen
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if screen.cache.loaded:
                break
        processes = {
            "server": psutil.Process(_server_pid(server)),
            "recorder": psutil.Process(recorder),
            "dashboard": psutil.Process(),
        }
        for number in range(changes):
            # Spread over the periods of the reads.
            await asyncio.sleep(0.1 + 0.037 * (number % 29))
            key = f"{run}{number:03}"
            await watch.change(
                kinds["new, ended"], (f"Quick/{key}/done/send", number), f"Quick/{key}/done",
                ("succeeded",), "completed_at",
            )  # fmt: skip
            waiting = await watch.change(
                kinds["new, waiting"], (f"Gate/{key}/wait/send", 1), f"Gate/{key}/wait",
                (*WAITING, "running"), "created_at",
            )  # fmt: skip
            await watch.change(
                kinds["ended"], (f"Gate/{key}/open", "yes"), f"Gate/{key}/wait", ("succeeded",),
                "completed_at", waiting,
            )  # fmt: skip
        idle = await cpu(processes)
        kinds |= await deletions(watch, pilot.press, min(DELETIONS, changes), run)
    return kinds, idle


async def cpu(processes: dict[str, psutil.Process], seconds: float = 10.0) -> dict[str, float]:
    """Return CPU seconds per second while nothing changes."""

    def spent() -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in processes.items()}
        return {name: t.user + t.system for name, t in times.items()}

    before, begun = spent(), time.monotonic()
    await asyncio.sleep(seconds)
    took, after = time.monotonic() - begun, spent()
    return {name: (after[name] - before[name]) / took for name in processes}


def _server_pid(server: RestateServer) -> int:
    port = httpx.URL(server.admin_url).port
    for connection in psutil.net_connections("tcp"):
        listens = connection.status == psutil.CONN_LISTEN
        if listens and connection.laddr and connection.laddr[1] == port and connection.pid:
            return connection.pid
    raise RuntimeError(f"no process listens at {server.admin_url}")


def summary(times: Sequence[float]) -> str:
    """Return p50, p95 and the maximum, in milliseconds."""
    ordered = sorted(times)
    rank = max(0, -(-95 * len(ordered) // 100) - 1)
    figures = (statistics.median(ordered), ordered[rank], ordered[-1])
    return " / ".join(f"{1000 * figure:5.0f}" for figure in figures)


async def run(server: RestateServer, folder: Path, sizes: Sequence[int], arguments: Any) -> None:
    """Fill the server step by step, and measure at each size."""
    stored = 0
    for size in sizes:
        if size >= 1_000:
            async with RestateClient(server.admin_url, timeout=120) as client:
                await fill(server, client, size)
        stored = max(stored, size)
        settings = replace(
            Settings(), store=folder / f"store{size}", admin_url=server.admin_url,
            ingress_url=server.ingress_url,
        )  # fmt: skip
        recorder = start_recorder(settings, folder / "recorder.log", free_ports=True)
        try:
            await caught_up(settings)
            for loaded in (False, True) if arguments.busy else (False,):
                with busy(loaded):
                    kinds, spent = await measure(
                        server, settings, recorder.pid, arguments.changes, f"{size}-{loaded:d}-"
                    )
                load = "busy" if loaded else "idle"
                for name, delays in kinds.items():
                    print(
                        f"{size:>7} {load}  {name:<19} screen {summary(delays.screen)}"
                        f"   SQL poll {summary(delays.floor)}",
                        flush=True,
                    )
                figures = ", ".join(f"{name} {100 * value:.0f} %" for name, value in spent.items())
                print(f"{size:>7} {load}  CPU of one core: {figures}", flush=True)
        finally:
            recorder.stop()


async def caught_up(settings: Settings) -> None:
    """Wait until the recorder has copied what the server has."""
    from playhead.record.client import connect

    store = await connect(settings)
    assert store
    while True:
        journals = ((await store.health()) or {}).get("journals") or {}
        if journals.get("last_copy") and not journals.get("behind"):
            break
        await asyncio.sleep(0.5)
    await store.close()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.freshness")
    parser.add_argument("--stored", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--changes", type=int, default=CHANGES)
    parser.add_argument("--busy", action="store_true", default=True)
    parser.add_argument("--idle-only", dest="busy", action="store_false")
    arguments = parser.parse_args()
    print("milliseconds from the server's change: p50 / p95 / max", flush=True)
    with tempfile.TemporaryDirectory() as name, RestateServer(Path(name) / "restate") as server:
        folder, children = Path(name), []
        (folder / "gate.py").write_text(SERVICE)
        for script in (HANDLERS, folder / "gate.py"):
            port = free_port()
            child = ManagedProcess(
                script.stem, [sys.executable, script, str(port)], log=folder / f"{script.stem}.log"
            )
            children.append(child.start())
            url = f"http://127.0.0.1:{port}"
            child.wait_until(lambda url=url: answers(url), seconds=120, what="it answered")
            server.register(url)
        try:
            asyncio.run(run(server, folder, sorted(arguments.stored), arguments))
        finally:
            for child in children:
                child.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
