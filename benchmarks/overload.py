"""Attack a recorder for some seconds while an honest sender and reader use it.

    python -m benchmarks overload [--seconds 8] [--only WORD] [--write]

For each attack, a separate recorder starts with spans in its store. The attackers run in a separate
process. The table has the attack's answers, the recorder's peak of resident memory (Linux:
`VmHWM`), and the median and the longest times of the honest requests, beside a round without an
attack. `--write` replaces the table in docs/security.md.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from playhead.record.endpoint import CLIENT_HEADER, RecorderEndpoint, read_endpoint, read_token
from playhead.record.process import start_recorder
from playhead.settings import Settings

from benchmarks._agent_spans import SPANS, Load

PAGE = Path(__file__).parents[1] / "docs" / "security.md"
BEGIN, END = "<!-- overload -->\n", "<!-- end of overload -->\n"
PROTOBUF = "application/x-protobuf"
STORED_REQUESTS = 40
LIST = (
    "SELECT trace_id, count(*) AS n FROM spans GROUP BY ALL ORDER BY min(start_unix_nano) LIMIT 100"
)


@dataclass
class Target:
    """Where a recorder listens, for the processes of attackers."""

    otlp: int
    api: int
    token: str

    async def post(self, body: bytes, **headers: str) -> int | str:
        """Send a body to the receiver, and return the status."""
        url = f"http://127.0.0.1:{self.otlp}/v1/traces"
        return await _status(url, body, {"content-type": PROTOBUF, **headers})

    async def query(self, sql: str, client: str) -> int | str:
        """Run a query, and return the status."""
        return await _status(f"http://127.0.0.1:{self.api}/query", {"sql": sql}, self._head(client))

    async def batch(self, texts: Sequence[str], client: str) -> int | str:
        """Run queries in one request, and return its status."""
        url = f"http://127.0.0.1:{self.api}/queries"
        return await _status(url, {"queries": [{"sql": sql} for sql in texts]}, self._head(client))

    def _head(self, client: str) -> dict[str, str]:
        return {
            "authorization": f"Bearer {self.token}",
            "accept": "application/json",
            CLIENT_HEADER: client,
        }


Attack = Callable[[Target, "Counter[int | str]"], Awaitable[None]]


async def _status(url: str, body: bytes | dict[str, Any], headers: dict[str, str]) -> int | str:
    async with httpx.AsyncClient(trust_env=False, timeout=60, verify=False) as http:
        try:
            if isinstance(body, dict):
                return (await http.post(url, json=body, headers=headers)).status_code
            return (await http.post(url, content=body, headers=headers)).status_code
        except httpx.HTTPError as error:
            return type(error).__name__


def repeated(count: int, body: bytes, **headers: str) -> Attack:
    """Send a body from several connections, again and again."""

    async def run(target: Target, answers: Counter[int | str]) -> None:
        async def one() -> None:
            while True:
                answers[await target.post(body, **headers)] += 1

        await asyncio.gather(*(one() for _ in range(count)))

    return run


def queries(count: int, sql: str, *, clients: int = 1) -> Attack:
    """Run a query from several connections, again and again."""

    async def run(target: Target, answers: Counter[int | str]) -> None:
        async def one(number: int) -> None:
            while True:
                answers[await target.query(sql, f"attacker {number % clients}")] += 1

        await asyncio.gather(*(one(number) for number in range(count)))

    return run


async def silent(target: Target, answers: Counter[int | str]) -> None:
    """Open 400 connections to each port, which send half a head and stay."""
    opened: list[Any] = []
    for port in (target.otlp, target.api):
        for _ in range(400):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\n")
            opened.append(writer)
    answers["open"] = len(opened)
    await asyncio.Event().wait()


async def slow_bodies(target: Target, answers: Counter[int | str]) -> None:
    """Send 85 bodies of 60 MB at once, but never their last byte."""

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.otlp)
        head = (
            f"POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {PROTOBUF}\r\n"
            "content-length: 60000000\r\n\r\n"
        )
        try:
            writer.write(head.encode())
            for _ in range(59):
                writer.write(b"\0" * 1_000_000)
                await writer.drain()
            line = await reader.readline()
            answers[line.decode().split(" ")[1] if line else "closed"] += 1
        except OSError:
            answers["closed"] += 1
        writer.close()

    while True:
        await asyncio.gather(*(one() for _ in range(85)))


def wide_resource() -> bytes:
    """Return a request of 5,000 spans whose resource has 100 kB; packed, it has some 60 kB."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.add(key="large").value.string_value = "x" * 100_000
    scope = resource.scope_spans.add()
    for number in range(5000):
        scope.spans.add(
            trace_id=b"t" * 16,
            span_id=number.to_bytes(8, "big"),
            name="span",
            start_time_unix_nano=1,
            end_time_unix_nano=2,
        )
    return gzip.compress(message.SerializeToString())


def batches(count: int, texts: Sequence[str]) -> Attack:
    """Run queries in one request from several clients, again and again."""

    async def run(target: Target, answers: Counter[int | str]) -> None:
        async def one(number: int) -> None:
            while True:
                answers[await target.batch(texts, f"attacker {number}")] += 1

        await asyncio.gather(*(one(number) for number in range(count)))

    return run


def unread(count: int, clients: int, sql: str) -> Attack:
    """Run a query from several connections, and read no answer."""

    async def run(target: Target, answers: Counter[int | str]) -> None:
        async def one(number: int) -> None:
            while True:
                reader, writer = await asyncio.open_connection("127.0.0.1", target.api, limit=1024)
                body = json.dumps({"sql": sql})
                head = (
                    f"POST /query HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer "
                    f"{target.token}\r\naccept: application/json\r\n{CLIENT_HEADER}: "
                    f"{number % clients}\r\n"
                    f"content-length: {len(body)}\r\n\r\n{body}"
                )
                writer.write(head.encode())
                line = await reader.readline()
                answers[line.decode().split(" ")[1] if line else "closed"] += 1
                if b" 200 " in line:
                    await asyncio.Event().wait()
                writer.close()

        await asyncio.gather(*(one(number) for number in range(count)))

    return run


def doubled(times: int) -> str:
    """Return a query of 1,000,000 rows of a text that is doubled several times."""
    sql = "SELECT range::VARCHAR AS text FROM range(1000000)"
    for _ in range(times):
        sql = f"SELECT text || text AS text FROM ({sql})"
    return f"SELECT max(length(text)) FROM ({sql})"


def columns(count: int) -> str:
    """Return a query of 1,000 rows with many columns."""
    return f"SELECT {', '.join(f'range + {n} AS c{n}' for n in range(count))} FROM range(1000)"


GZIP = {"content-encoding": "gzip"}
MILLION_ROWS = "SELECT range, 'text ' || range AS text FROM range(1000000)"
RECURSIVE = "WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT max(x) FROM t"
ATTACKS: dict[str, Callable[[], Attack] | None] = {
    "none": None,
    "6 MB of empty gzip members, 4 connections": lambda: repeated(
        4, gzip.compress(b"") * 300_000, **GZIP
    ),
    "64 MB of zeros in 64 kB of gzip, 8 connections": lambda: repeated(
        8, gzip.compress(b"\0" * (64 << 20)), **GZIP
    ),
    "5,000 spans that share a resource of 100 kB, 8 connections": lambda: repeated(
        8, wide_resource(), **GZIP
    ),
    "JSON of 100,000 brackets, 8 connections": lambda: repeated(
        8, b'{"resourceSpans":' + b"[" * 100_000, **{"content-type": "application/json"}
    ),
    "85 bodies of 60 MB that never end": lambda: slow_bodies,
    "800 silent connections": lambda: silent,
    "endless recursive queries, 8 of one client": lambda: queries(8, RECURSIVE),
    "sorts of 100,000,000 rows, 4 clients": lambda: queries(
        4,
        "SELECT range, lpad('x', 100, 'y') FROM range(100000000) ORDER BY hash(range) LIMIT 9",
        clients=4,
    ),
    "one list of 300,000,000 numbers, 4 clients": lambda: queries(
        4, "SELECT len(list(range)) FROM range(300000000)", clients=4
    ),
    "a text that grows, 4 clients": lambda: queries(
        4,
        "SELECT length(string_agg(lpad('x', 1000, 'y'), '')) FROM range(3000000)",
        clients=4,
    ),
    "4 MB of parentheses, 4 clients": lambda: queries(
        4, "SELECT " + "(" * 2_000_000 + "1" + ")" * 2_000_000, clients=4
    ),
    "answers of 1,000,000 rows, 4 clients": lambda: queries(4, MILLION_ROWS, clients=4),
    "batches of 20 answers of 1,000,000 rows, 4 clients": lambda: batches(4, [MILLION_ROWS] * 20),
    "answers of 10 MB that nobody reads, 120 connections of 4 clients": lambda: unread(
        120, 4, "SELECT repeat('text', 25) AS text FROM range(100000)"
    ),
    "texts that double, 4 clients": lambda: queries(4, doubled(18), clients=4),
    "answers of texts of 10 kB, 4 clients": lambda: queries(
        4, "SELECT repeat('text', 2500) AS text FROM range(20000)", clients=4
    ),
    "answers of 3,000 columns, 4 clients": lambda: queries(4, columns(3000), clients=4),
    "answers of 700 columns, 4 clients": lambda: queries(4, columns(700), clients=4),
    "queries of 100,000 columns, 4 clients": lambda: queries(
        4, f"SELECT {','.join(['1'] * 99_000)}", clients=4
    ),
    "answers of lists in 190 lists, 4 clients": lambda: queries(
        4, f"SELECT {'[' * 190}range{']' * 190} AS deep FROM range(20000)", clients=4
    ),
    "answers of lists in 20 lists, 4 clients": lambda: queries(
        4, f"SELECT {'[' * 20}range{']' * 20} AS deep FROM range(200000)", clients=4
    ),
    "queries that cannot be interrupted, 4 clients": lambda: queries(
        4,
        "SELECT max(levenshtein(repeat('a', 10000), repeat('b', 9000) || range)) FROM range(2000)",
        clients=4,
    ),
}


def attack(name: str, target: Target, seconds: float, results: Any) -> None:
    """Attack for some seconds, and send the counts of answers back."""
    made = ATTACKS[name]
    if made is None:
        results.put({})
        return
    answers: Counter[int | str] = Counter()

    async def run() -> None:
        try:
            async with asyncio.timeout(seconds):
                await made()(target, answers)
        except TimeoutError:
            pass

    asyncio.run(run())
    results.put(dict(answers))


@dataclass
class Row:
    """What one attack did."""

    name: str
    answers: dict[int | str, int] = field(default_factory=dict[int | str, int])
    memory: int = 0
    """Peak of resident memory in bytes."""
    acknowledged: list[float] = field(default_factory=list[float])
    listed: list[float] = field(default_factory=list[float])
    failed: int = 0
    """Honest requests that were not answered with 200."""
    lost: int = 0

    def markdown(self) -> str:
        """Return the row of the table."""
        answers = ", ".join(f"{status}: {count:,}" for status, count in self.answers.items())
        times = " | ".join(
            f"{statistics.median(times) * 1000:,.0f} / {max(times) * 1000:,.0f} ms"
            for times in (self.acknowledged, self.listed)
        )
        return (
            f"| {self.name} | {answers or 'none'} | {self.memory / 1e6:,.0f} MB | {times} "
            f"| {self.failed} | {self.lost} |"
        )


async def honest(
    target: Callable[[], Target], row: Row, seconds: float, bodies: Iterator[bytes]
) -> int:
    """Send a request and read a list every 50 ms; return the number of accepted requests."""
    accepted = 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        body = next(bodies)
        began = time.perf_counter()
        sent = await target().post(body)
        row.acknowledged.append(time.perf_counter() - began)
        began = time.perf_counter()
        read = await target().query(LIST, "honest")
        row.listed.append(time.perf_counter() - began)
        accepted += sent == 200
        row.failed += (sent != 200) + (read != 200)
        await asyncio.sleep(0.05)
    return accepted


def find(settings: Settings) -> tuple[RecorderEndpoint, Target]:
    """Return the running recorder and its ports."""
    endpoint, token = read_endpoint(settings.store), read_token(settings.store)
    assert endpoint is not None
    assert token is not None
    return endpoint, Target(endpoint.otlp_http_port, endpoint.api_port, token)


async def attacked(name: str, folder: Path, seconds: float) -> Row:
    """Start a recorder, attack it, and return what happened."""
    settings = replace(Settings(), store=folder / "store", admin_url="http://127.0.0.1:1")
    child = start_recorder(settings, folder / "log", free_ports=True, journals=False)
    row = Row(name)
    bodies = Load().requests(100_000)
    try:
        endpoint, target = find(settings)
        for _ in range(STORED_REQUESTS):
            assert await target.post(next(bodies)) == 200
        # Else the first list waits for their commits, which is not the attack's doing.
        assert await missing(lambda: target, STORED_REQUESTS) == 0
        context = multiprocessing.get_context("spawn")
        results: Any = context.Queue()
        attacker = context.Process(target=attack, args=(name, target, seconds, results))
        attacker.start()
        accepted = await honest(lambda: find(settings)[1], row, seconds + 2, bodies)
        row.answers = await asyncio.to_thread(results.get)
        await asyncio.to_thread(attacker.join)
        row.memory = peak(psutil.Process(endpoint.pid))
        row.lost = await missing(lambda: find(settings)[1], STORED_REQUESTS + accepted)
    finally:
        child.stop(grace=60)
    return row


async def missing(target: Callable[[], Target], requests: int) -> int:
    """Return how many spans of accepted requests are not stored; fewer than 0 if some are twice."""
    sql = "SELECT count(*) AS n FROM spans WHERE name <> 'span'"
    async with httpx.AsyncClient(trust_env=False, timeout=90, verify=False) as http:
        while True:
            now = target()
            headers = {
                "authorization": f"Bearer {now.token}",
                "accept": "application/json",
                "playhead-wait": "30",  # until all accepted requests are in the tables
            }
            url = f"http://127.0.0.1:{now.api}/query"
            try:
                response = await http.post(url, json={"sql": sql}, headers=headers)
            except httpx.ConnectError:  # a query made the recorder start again
                await asyncio.sleep(0.5)
                continue
            if response.raise_for_status().headers["playhead-complete"] == "true":
                return requests * SPANS - int(response.json()["rows"][0]["n"])


def peak(process: psutil.Process) -> int:
    """Return the peak of a process's resident memory, in bytes."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return process.memory_info().rss
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def main() -> None:
    """Run all attacks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true", help="write the table into docs")
    chosen = parser.parse_args()
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with `python -m benchmarks overload`, on two "
        f"shared cores, {chosen.seconds:g} s each:\n",
        "| Attack | Answers | Peak memory | Acknowledgement, median / longest "
        "| List, median / longest | Honest requests refused | Spans lost |",
        "| --- | --- | --: | --: | --: | --: | --: |",
    ]
    for name in ATTACKS:
        if chosen.only in name:
            with tempfile.TemporaryDirectory() as folder:
                row = asyncio.run(attacked(name, Path(folder), chosen.seconds))
            lines.append(row.markdown())
            print(lines[-1], flush=True)
    if chosen.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after)


if __name__ == "__main__":
    sys.exit(main())
