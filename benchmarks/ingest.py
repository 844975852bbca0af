"""Measure how fast the recorder accepts spans, and what else it does meanwhile.

The load generator runs in a process of its own on the same cores: agent runs of 14 spans, 1.2 KB a
span, 512 spans a request (see `benchmarks._agent_spans`). An answer means that the spans are
durable. A span is queryable when SQL finds it by its invocation. The floor decodes and commits the
same requests in one process, without a log, duplicates, or invocations.

`--stored 1000000` also measures with as many spans in the store, and `--sustained 90` reads after a
minute of ingest, too, when a recorder no longer puts its index and figures off. `--json FILE` keeps
the results.
`python -m benchmarks soak` sends at a steady rate for minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
from playhead.async_client import AsyncClient
from playhead.local import ManagedProcess
from playhead.record.endpoint import read_endpoint, read_token
from playhead.record.otlp.columns import SpanDecoder
from playhead.record.process import start_recorder
from playhead.record.recorder_client import RecorderAuth
from playhead.settings import Settings
from playhead.store.database import Store
from playhead.store.span_marks import MARKS

from benchmarks._agent_spans import SPANS, Load

GROUP = 20
"""Requests that share a commit in the floor."""
READ_RATE = 20_000
"""Spans a second that are sent while invocations are listed and opened."""


@dataclass
class Results:
    """Rows of the table that is printed."""

    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def add(self, what: str, value: float, unit: str, limit: float, aim: float) -> None:
        """Print a row and keep it. A limit is a minimum for rates, and a maximum for others."""
        row = {"what": what, "value": value, "unit": unit, "limit": limit, "aim": aim}
        self.rows.append(row)
        shown = f"{value:10,.0f}" if value >= 100 else f"{value:10.1f}"
        print(f"{what:58}{shown} {unit:8} (first {limit:,g}, aim {aim:,g})", flush=True)


class Recorder:
    """A recorder process with an empty store, or with that of an earlier one."""

    def __init__(self, folder: Path) -> None:
        self.settings = replace(Settings(), store=folder / "store", admin_url="http://127.0.0.1:1")
        self.log = folder / "recorder.log"
        self.sent = 0

    def __enter__(self) -> Recorder:
        self.child: ManagedProcess = start_recorder(
            self.settings, self.log, free_ports=True, journals=False
        )
        endpoint = read_endpoint(self.settings.store)
        assert endpoint is not None
        token = read_token(self.settings.store)
        assert token is not None
        self.auth = RecorderAuth(endpoint, token)
        self.api_url = endpoint.api_url
        self.port = endpoint.otlp_http_port
        self.process = psutil.Process(endpoint.pid)
        return self

    def __exit__(self, *exc: object) -> None:
        self.child.stop(grace=60)

    def send(
        self,
        requests: int,
        *,
        connections: int = 4,
        rate: float = 0,
        during: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Send requests; return the sender's results and the seconds until they are queryable."""
        command = [sys.executable, "-m", "benchmarks._span_sender", str(self.port),
                   f"--requests={requests}", f"--first={self.sent + 1}",
                   f"--connections={connections}", f"--rate={rate}"]  # fmt: skip
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as sender:
            assert sender.stdin is not None
            assert sender.stdout is not None
            assert sender.stdout.readline() == "ready\n"
            spent = sum(self.process.cpu_times()[:2])
            began = time.perf_counter()
            print("go", file=sender.stdin, flush=True)
            thread = threading.Thread(target=during) if during else None
            if thread:
                thread.start()
            line = sender.stdout.readline()
            if thread:
                thread.join()
        assert line, "the sender failed"
        self.sent += requests
        asyncio.run(self._until_queryable())
        found = json.loads(line)
        found["queryable"] = time.perf_counter() - began
        found["cpu"] = sum(self.process.cpu_times()[:2]) - spent
        return found

    async def _until_queryable(self) -> None:
        """Wait for one query that sees every acknowledged span, and check that it does.

        Asking again and again would take the processor from the commits.
        """
        wanted = self.sent * 36 * 3  # the LLM calls of the runs of a request
        async with httpx.AsyncClient(auth=self.auth, trust_env=False, timeout=600) as http:
            while True:
                response = await http.post(
                    f"{self.api_url}/query",
                    json={
                        "sql": "SELECT count(*) AS n FROM spans WHERE name = 'chat gpt-5'"
                        " AND invocation_id IS NOT NULL"
                    },
                    headers={"accept": "application/json", "playhead-wait": "30"},
                )
                response.raise_for_status()
                if response.headers["playhead-complete"] == "true":
                    assert response.json() == {"rows": [{"n": wanted}]}
                    return

    def health(self) -> dict[str, Any]:
        """Return the answer of `GET /health`."""
        response = httpx.get(f"{self.api_url}/health", auth=self.auth, trust_env=False, timeout=60)
        document: dict[str, Any] = response.raise_for_status().json()
        return document

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query."""

        async def ask() -> list[dict[str, Any]]:
            async with AsyncClient(settings=self.settings) as client:
                return await client.sql(query)

        return asyncio.run(ask())


def floor(requests: int) -> float:
    """Return spans per second: decoded and inserted in groups, and nothing else."""
    bodies = list(Load().requests(requests))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        decoder = SpanDecoder()
        began = time.perf_counter()
        for start in range(0, requests, GROUP):
            table = decoder.decode(bodies[start : start + GROUP])
            with store.transaction() as connection:
                connection.register("batch", table)
                connection.execute(f"INSERT INTO spans SELECT * EXCLUDE ({MARKS}) FROM batch")
                connection.unregister("batch")
        seconds = time.perf_counter() - began
        store.close()
    return requests * SPANS / seconds


def readings(recorder: Recorder, seconds: float) -> tuple[list[float], list[float]]:
    """Return the milliseconds of lists of 100 invocations, and of opening one."""
    lists: list[float] = []
    details: list[float] = []

    async def timed(times: list[float], ask: Callable[[], Awaitable[Any]]) -> Any:
        began = time.perf_counter()
        result = await ask()
        times.append((time.perf_counter() - began) * 1000)
        return result

    async def read() -> None:
        async with AsyncClient(settings=recorder.settings) as client:
            page = await client.invocations(limit=100)
            await client.invocation(page.rows[0].id)
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                page = await timed(lists, lambda: client.invocations(limit=100))
                id_ = page.rows[len(lists) % 100].id
                await timed(details, functools.partial(client.invocation, id_))
                await asyncio.sleep(0.05)

    asyncio.run(read())
    return lists, details


def add_invocations(settings: Settings) -> None:
    """Add a row to `invocations` for each invocation with spans, as a copied journal would."""
    store = Store(settings.store)
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO invocations (id, target, target_service_name, target_handler_name,"
            " target_service_ty, trace_id, created_at, modified_at, completed_at, status,"
            " completion_result, journal_size) SELECT invocation_id, 'WeatherAgent/ask',"
            " 'WeatherAgent', 'ask', 'service', min(trace_id),"
            " to_timestamp(min(start_unix_nano) / 1e9), to_timestamp(max(end_unix_nano) / 1e9),"
            " to_timestamp(max(end_unix_nano) / 1e9), 'completed', 'success', 0 FROM spans"
            " WHERE invocation_id IS NOT NULL GROUP BY invocation_id"
        )
    store.close()


def p95(times: list[float]) -> float:
    """Return the 95th percentile."""
    return sorted(times)[int(len(times) * 0.95)] if times else float("nan")


def rates(results: Results, recorder: Recorder, requests: int, when: str) -> None:
    """Measure with one and four connections."""
    for connections in (1, 4):
        found = recorder.send(requests, connections=connections)
        with_ = f"{when}, {connections} connection{'s' * (connections > 1)}"
        results.add(f"acknowledged and durable, {with_}", found["spans"] / found["seconds"],
                    "spans/s", 40_000, 100_000)  # fmt: skip
        results.add(f"queryable, {with_}", found["spans"] / found["queryable"], "spans/s",
                    40_000, 60_000)  # fmt: skip
        results.add(f"acknowledgement p95, {with_}", found["p95"] * 1000, "ms", 50, 20)
        results.add(f"acknowledgement, worst, {with_}", found["worst"] * 1000, "ms", 250, 100)
        results.add(f"recorder's processor time, {with_}", found["cpu"] / found["spans"] * 1e6,
                    "µs/span", 25, 16)  # fmt: skip


def idle(recorder: Recorder, seconds: float = 20) -> float:
    """Return the percentage of a core that an idle recorder uses."""
    while recorder.health()["text_index_behind"] != 0:  # None if it is not known
        time.sleep(1)
    while recorder.sql("FROM stale_figures LIMIT 1"):
        time.sleep(1)
    time.sleep(10)  # its checkpoint
    before = sum(recorder.process.cpu_times()[:2])
    time.sleep(seconds)
    return (sum(recorder.process.cpu_times()[:2]) - before) / seconds * 100


def sustained_readings(recorder: Recorder, seconds: float) -> tuple[list[float], list[float]]:
    """Return what `readings` does, after a minute of ingest."""
    times: list[tuple[list[float], list[float]]] = []

    def read() -> None:
        time.sleep(65)
        times.append(readings(recorder, seconds))

    recorder.send(int((70 + seconds) * READ_RATE) // SPANS, rate=READ_RATE, during=read)
    return times[0]


def measure(
    results: Results, folder: Path, *, requests: int, stored: int, sustained: float
) -> None:
    """Measure everything."""
    results.add("floor: decode and commit", statistics.median(floor(160) for _ in range(3)),
                "spans/s", 0, 0)  # fmt: skip
    recorder = Recorder(folder)
    with recorder:
        rates(results, recorder, requests, "empty")
        while stored and recorder.sent * SPANS < stored:
            recorder.send(min(800, stored // SPANS + 1 - recorder.sent))
    if not stored:
        return
    add_invocations(recorder.settings)
    with recorder:
        recorder.sql("SELECT count(*) FROM spans")
        rates(results, recorder, requests, f"{stored:,} stored")
        times = [readings(recorder, 5)]
        results.add("list of 100 invocations, otherwise idle, p95", p95(times[0][0]), "ms", 30, 15)
        results.add("opening one, otherwise idle, p95", p95(times[0][1]), "ms", 30, 15)
        recorder.send(requests, rate=READ_RATE, during=lambda: times.append(readings(recorder, 10)))
        results.add("list of 100 invocations, during ingest, p95", p95(times[1][0]), "ms", 30, 15)
        results.add("opening one, during ingest, p95", p95(times[1][1]), "ms", 30, 15)
        if sustained:
            lists, details = sustained_readings(recorder, sustained)
            results.add("list, after a minute of ingest, p95", p95(lists), "ms", 30, 15)
            results.add("opening one, after a minute of ingest, p95", p95(details), "ms", 30, 15)
        results.add("memory", recorder.process.memory_info().rss / 1e6, "MB", 600, 350)
        results.add("idle", idle(recorder), "%", 1, 1)
        size = sum(path.stat().st_size for path in recorder.settings.store.rglob("*"))
        results.add("disk", size / (recorder.sent * SPANS), "B/span", 600, 450)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=800, help="of 512 spans, per measurement")
    parser.add_argument("--stored", type=int, default=0)
    parser.add_argument("--sustained", type=float, default=0, help="seconds")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    results = Results()
    load = psutil.getloadavg()[0]
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {psutil.cpu_count()} cores, load {load:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        measure(results, Path(folder), requests=chosen.requests, stored=chosen.stored,
                sustained=chosen.sustained)  # fmt: skip
    if chosen.json:
        chosen.json.write_text(json.dumps(results.rows, indent=1))


if __name__ == "__main__":
    main()
