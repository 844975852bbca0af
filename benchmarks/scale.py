"""Compare list and detail queries on a server with many invocations with a query for one row.

    python benchmarks/scale.py [--invocations 50000]

Starts a restate-server and a trivial handler on free ports, sends one-way calls until the
number of invocations is stored, and prints the median times of the dashboard's queries.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.reader.reader import Reader
from playhead.restate.client import RestateClient

HANDLERS = Path(__file__).resolve().parents[1] / "tests" / "support" / "journal_service.py"
PER_CALL = 1000
ROUNDS = 15


def answers(url: str) -> bool:
    try:
        httpx.get(url)
    except httpx.HTTPError:
        return False
    return True


async def fill(server: RestateServer, client: RestateClient, count: int) -> float:
    """Return the seconds until the invocations are stored. Each call of `spread` sends many."""
    begun = time.perf_counter()
    async with httpx.AsyncClient(timeout=300) as http:
        for _ in range(0, count, PER_CALL):
            url = f"{server.ingress_url}/every/spread"
            (await http.post(url, json={"count": PER_CALL - 1})).raise_for_status()
    while True:
        [row] = await client.query("SELECT count(*) AS n FROM sys_invocation_status")
        if row["n"] >= count:
            return time.perf_counter() - begun
        await asyncio.sleep(0.5)


async def measure(what: str, ask: Callable[[], Awaitable[Any]]) -> float:
    await ask()
    times: list[float] = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        await ask()
        times.append((time.perf_counter() - begun) * 1000)
    median = statistics.median(times)
    print(f"{what:<44} {median:8.1f} ms   (max {max(times):.1f})", flush=True)
    return median


async def run(server: RestateServer, count: int) -> None:
    async with RestateClient(server.admin_url, timeout=120) as client:
        print(f"filling: {await fill(server, client, count):.0f} s", flush=True)
        reader = Reader(client, None)
        page = await reader.invocations(limit=100)
        one = page.rows[50].id
        base = await measure("one row by id", lambda: client.query(
            f"SELECT id, status FROM sys_invocation_status WHERE id = '{one}'"))  # fmt: skip
        found = {
            "search for changes": await measure(
                "search for changes", lambda: reader.server_changes([one])
            ),
            "detail": await measure("detail (6 queries)", lambda: reader.invocation(one)),
            "list": await measure("list, newest 100", lambda: reader.invocations(limit=100)),
            "page": await measure(
                "list, the page after", lambda: reader.invocations(limit=100, before=page.rows[-1])
            ),
            "filtered": await measure(
                "list, failed only", lambda: reader.invocations(limit=100, status="failed")
            ),
        }
        for name, value in found.items():
            print(f"{name}: {value / base:.1f} times a one-row query")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=50_000)
    wanted = parser.parse_args().invocations
    with tempfile.TemporaryDirectory() as folder, RestateServer(Path(folder) / "restate") as server:
        port = free_port()
        log = Path(folder) / "handlers.log"
        with ManagedProcess("handlers", [sys.executable, HANDLERS, str(port)], log=log) as child:
            url = f"http://127.0.0.1:{port}"
            child.wait_until(lambda: answers(url), seconds=60, what="it answered")
            server.register(url)
            asyncio.run(run(server, wanted))


if __name__ == "__main__":
    main()
