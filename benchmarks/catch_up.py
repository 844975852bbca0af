"""Measure what it costs to copy the journals of many finished invocations, as after an absence.

    python -m benchmarks catch_up [--invocations 10000] [--stored SPANS]

Starts a restate-server and a trivial handler on free ports, sends one-way calls until all have
ended, and copies them into an empty store, or into one with spans. The processor times are those of
this process, which only copies then, and of the server. The floor reads the same journals without
storing them, in queries of the same size.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.record.journal_copier import BULK_IDS, JournalCopier
from playhead.record.otlp.columns import SpanDecoder
from playhead.restate.client import RestateClient
from playhead.restate.queries import quote
from playhead.store.database import Store
from playhead.store.span_writer import SpanWriter

from benchmarks._agent_spans import SPANS, Load
from benchmarks.scale import HANDLERS, PER_CALL, answers

GROUP = 20
"""Requests of spans that share a commit."""


async def fill(server: RestateServer, client: RestateClient, count: int) -> None:
    """Send one-way calls, and wait until all of them have ended."""
    async with httpx.AsyncClient(timeout=300) as http:
        for _ in range(0, count, PER_CALL):
            url = f"{server.ingress_url}/every/spread"
            (await http.post(url, json={"count": PER_CALL - 1})).raise_for_status()
    while True:
        [row] = await client.query(
            "SELECT count(*) AS n FROM sys_invocation_status WHERE status = 'completed'"
        )
        if row["n"] >= count:
            return
        await asyncio.sleep(1)


def add_spans(store: Store, spans: int) -> None:
    """Store the spans of other invocations."""
    writer, decoder, group = SpanWriter(store), SpanDecoder(), list[bytes]()
    for body in Load().requests(-(-spans // SPANS)):
        group.append(body)
        if len(group) == GROUP:
            writer.write_table(decoder.decode(group))
            group.clear()
    if group:
        writer.write_table(decoder.decode(group))
    store.checkpoint()


class Cost:
    """Processor seconds of this process and of the server since the start."""

    def __init__(self, server: psutil.Process) -> None:
        """Start to count."""
        self._server = server
        self._own, self._theirs = time.process_time(), sum(server.cpu_times()[:2])

    def show(self, what: str, count: int) -> None:
        """Print the costs, and what they are for 10,000 invocations."""
        own = time.process_time() - self._own
        theirs = sum(self._server.cpu_times()[:2]) - self._theirs
        share = 10_000 / count
        print(f"{what:38} {own:6.2f} s here, {theirs:6.2f} s of the server"
              f"   (10,000: {own * share:.2f} and {theirs * share:.2f})", flush=True)  # fmt: skip


async def read_all(client: RestateClient) -> int:
    """Read the journals of all invocations; return their number."""
    rows = await client.query("SELECT id FROM sys_invocation_status")
    ids = [str(row["id"]) for row in rows]
    for start in range(0, len(ids), BULK_IDS):
        wanted = ", ".join(quote(id_) for id_ in ids[start : start + BULK_IDS])
        await client.query_arrow(f'SELECT id, "index", raw FROM sys_journal WHERE id IN ({wanted})')  # pyright: ignore[reportUnknownMemberType]
    return len(ids)


async def run(server: RestateServer, count: int, spans: int, folder: Path) -> None:
    """Fill the server, and measure."""
    load = psutil.getloadavg()[0]
    async with RestateClient(server.admin_url, timeout=120) as client:
        await fill(server, client, count)
        process = psutil.Process(server.process.pid)
        cost = Cost(process)
        total = await read_all(client)
        cost.show("floor: read the journals", total)
        store = Store(folder / "store")
        add_spans(store, spans)
        copier = JournalCopier(store, client)
        cost = Cost(process)
        copied = await copier.copy_changes()
        cost.show(f"copy {copied:,} invocations", copied)
        cost = Cost(process)
        began = time.monotonic()
        while time.monotonic() - began < 10:
            await copier.copy_changes()
            await asyncio.sleep(0.4)
        cost.show("10 s of watching them", 10_000)
        with store.transaction() as connection:
            rows = connection.execute("SELECT count(*), count(DISTINCT id) FROM journal").fetchall()
        print(f"{rows[0][0]:,} entries of {rows[0][1]:,} invocations; load average {load:.1f}")
        store.close()


def main() -> None:
    """Start the server and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=10_000)
    parser.add_argument("--stored", type=int, default=0, help="spans in the store")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, RestateServer(Path(name) / "restate") as server:
        folder, port = Path(name), free_port()
        log = folder / "handlers.log"
        with ManagedProcess("handlers", [sys.executable, HANDLERS, str(port)], log=log) as child:
            url = f"http://127.0.0.1:{port}"
            child.wait_until(lambda: answers(url), seconds=60, what="it answered")
            server.register(url)
            asyncio.run(run(server, chosen.invocations, chosen.stored, folder))


if __name__ == "__main__":
    main()
