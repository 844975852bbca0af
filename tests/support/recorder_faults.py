"""Faults of a recorder under load, each checked against what was acknowledged."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from playhead.local import ManagedProcess
from playhead.record.endpoint import read_endpoint
from playhead.record.ingest.request_log import FOLDER, RequestLog
from playhead.record.process import wait_for_recorder
from playhead.settings import Settings
from playhead.store.database import Store
from waiting import until

SPANS = 64
_PORTS = ("--otlp-grpc-port", "0", "--otlp-http-port", "0", "--api-port", "0", "--no-journal")
_HEADERS = {"content-type": "application/x-protobuf"}
_BLOCKED = """
import threading
{patch}
from playhead.cli import main
main()
"""
NO_INSERTS = """
from playhead.store import span_writer
span_writer._insert = lambda *_: threading.Event().wait()
"""
"""Spans are acknowledged, but never committed."""
NO_COMMITS = """
from playhead.record.ingest.commits import SpanCommits
from playhead.store.span_writer import SpanWriter
SpanCommits._may_hold = lambda self, *_: not self._stopping
SpanWriter.commit = lambda *_: threading.Event().wait()
"""
"""Spans are inserted in a transaction that stays open."""
NO_CUTS = """
from playhead.record.ingest.request_log import RequestLog
RequestLog.cut = RequestLog.trim = lambda *_: None
"""
"""Committed requests stay in the log."""


@dataclass(frozen=True)
class Fault:
    """Result of one kind of fault."""

    name: str
    injected: int
    """Number of times that it happened."""
    acknowledged: int
    """Spans that were acknowledged before or during the faults."""
    found: int
    """Those that are in the store after the last start."""
    doubled: int
    """Rows beyond one for each span."""
    note: str = ""


class Load:
    """Senders that post requests until the recorder is gone."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._rng = random.Random(seed)
        self.acknowledged: set[str] = set()

    def request(self) -> tuple[bytes, list[str]]:
        """Return a new request, and the ids of its spans."""
        message = ExportTraceServiceRequest()
        scope = message.resource_spans.add().scope_spans.add()
        trace = self._rng.randbytes(16)
        ids = [self._rng.randbytes(8) for _ in range(SPANS)]
        for id_ in ids:
            span = scope.spans.add(trace_id=trace, span_id=id_, name="work")
            span.start_time_unix_nano = span.end_time_unix_nano = 1_790_000_000_000_000_000
            span.attributes.add(key="text").value.string_value = "x" * 300
        return message.SerializeToString(), [id_.hex() for id_ in ids]

    def post(self, client: httpx.Client, url: str) -> None:
        """Send one request, and note its spans when they are acknowledged."""
        body, ids = self.request()
        if client.post(url, content=body, headers=_HEADERS).status_code == 200:
            self.acknowledged.update(ids)

    @contextmanager
    def running(self, senders: int = 3) -> Any:
        """Send from several threads while the block runs; they end when the recorder does."""
        url = receiver(self._settings)
        stop = threading.Event()

        def send() -> None:
            with httpx.Client(trust_env=False, timeout=10) as client, suppress(httpx.HTTPError):
                while not stop.is_set():
                    self.post(client, url)

        threads = [threading.Thread(target=send) for _ in range(senders)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)


def receiver(settings: Settings) -> str:
    endpoint = read_endpoint(settings.store)
    assert endpoint is not None
    return f"http://127.0.0.1:{endpoint.otlp_http_port}/v1/traces"


@contextmanager
def recorder(settings: Settings, folder: Path, patch: str = "") -> Any:
    """Run a recorder process, with a patch of its code."""
    start = ["-c", _BLOCKED.format(patch=patch)] if patch else ["-m", "playhead"]
    command = [sys.executable, *start, "--store", str(settings.store), "record", *_PORTS]
    process = ManagedProcess("recorder", command, log=folder / "recorder.log").start()
    try:
        wait_for_recorder(process, settings.store)
        yield process
    finally:
        process.stop()


def committed(settings: Settings, folder: Path) -> None:
    """Start the recorder, which commits its log, and stop it."""
    with recorder(settings, folder):
        pass
    log = RequestLog(settings.store / FOLDER)
    left = len(log.recovered)
    log.close()
    assert left == 0, f"{left} requests are still in the log"


def result(name: str, settings: Settings, injected: int, load: Load, note: str = "") -> Fault:
    """Compare what was acknowledged with the rows of the store."""
    store = Store(settings.store)
    try:
        rows = store.cursor().execute("SELECT span_id FROM spans").fetchall()
    finally:
        store.close()
    stored = {row[0] for row in rows}
    found = len(load.acknowledged & stored)
    doubled = len(rows) - len(stored)
    return Fault(name, injected, len(load.acknowledged), found, doubled, note)


def kill(settings: Settings, folder: Path, rounds: int) -> Fault:
    """Kill the recorder at random moments under load."""
    load, rng = Load(settings, 1), random.Random(1)
    for _ in range(rounds):
        with recorder(settings, folder) as process:
            before = len(load.acknowledged)
            with load.running():
                until(lambda: len(load.acknowledged) > before)  # noqa: B023
                time.sleep(rng.random() * 0.5)
                process.signal(signal.SIGKILL)
    committed(settings, folder)
    return result("`kill -9` at a random moment under load", settings, rounds, load)


def kill_before_commit(settings: Settings, folder: Path, rounds: int) -> Fault:
    """Kill the recorder when spans are in the log, and in no table."""
    load = Load(settings, 2)
    _kill_with_requests(settings, folder, rounds, load, NO_INSERTS)
    return result("`kill -9` between the log and the table", settings, rounds, load)


def kill_while_held(settings: Settings, folder: Path, rounds: int) -> Fault:
    """Kill the recorder when spans are inserted, and their transaction is open."""
    load = Load(settings, 6)
    _kill_with_requests(settings, folder, rounds, load, NO_COMMITS, pause=0.3)
    return result("`kill -9` while spans wait for a common commit", settings, rounds, load)


def _kill_with_requests(
    settings: Settings, folder: Path, rounds: int, load: Load, patch: str, *, pause: float = 0
) -> None:
    """Kill recorders with a patch of their code when each has acknowledged ten requests."""
    for _ in range(rounds):
        with recorder(settings, folder, patch) as process:
            before = len(load.acknowledged)
            with load.running():
                until(lambda: len(load.acknowledged) - before > 10 * SPANS)  # noqa: B023
                time.sleep(pause)
                process.signal(signal.SIGKILL)
    committed(settings, folder)


def kill_after_commit(settings: Settings, folder: Path, rounds: int) -> Fault:
    """Kill the recorder when spans are in a table, and still in the log."""
    load = Load(settings, 3)
    for _ in range(rounds):
        with recorder(settings, folder, NO_CUTS) as process:
            before = len(load.acknowledged)
            with load.running():
                until(lambda: len(load.acknowledged) - before > 10 * SPANS)  # noqa: B023
                process.signal(signal.SIGKILL)
    committed(settings, folder)
    return result("`kill -9` between the table and the log's end", settings, rounds, load)


def _logged(settings: Settings, folder: Path, seed: int) -> tuple[Load, list[tuple[int, int]]]:
    """Return a load whose requests are only in the log, and their places there."""
    load = Load(settings, seed)
    with recorder(settings, folder, NO_INSERTS) as process:
        url = receiver(settings)
        with httpx.Client(trust_env=False) as client:
            for _ in range(20):
                load.post(client, url)
        process.signal(signal.SIGKILL)
    log = RequestLog(settings.store / FOLDER)
    places = [(entry.offset, entry.end) for entry in log.recovered]
    log.close()
    return load, places


def _segment(settings: Settings) -> Path:
    paths = [p for p in (settings.store / FOLDER).glob("*.log") if p.stat().st_size]
    assert len(paths) == 1
    return paths[0]


def torn_tail(settings: Settings, folder: Path, rounds: int) -> Fault:
    """Leave half a request at the end of the log, as a power cut while it is written does."""
    whole: list[Fault] = []
    for number in range(rounds):
        own = replace(settings, store=settings.store / str(number))
        load, places = _logged(own, folder, 100 + number)
        path = _segment(own)
        content = path.read_bytes()
        first = content[: places[0][1]]
        cut = random.Random(number).randrange(1, len(first))
        path.write_bytes(content + first[:cut])
        committed(own, folder)
        whole.append(result("", own, 1, load))
    return _sum("half a request at the end of the log (power cut)", whole)


def flipped_bit(settings: Settings, folder: Path, rounds: int) -> Fault:
    """Flip one bit of the log; only the request that contains it is lost."""
    whole: list[Fault] = []
    for number in range(rounds):
        own = replace(settings, store=settings.store / str(number))
        load, _ = _logged(own, folder, 200 + number)
        path = _segment(own)
        content = bytearray(path.read_bytes())
        content[random.Random(number).randrange(len(content))] ^= 4
        path.write_bytes(content)
        committed(own, folder)
        whole.append(result("", own, 1, load))
    note = f"the {SPANS} spans of each damaged request are missing and counted"
    return replace(_sum("one flipped bit in the log", whole), note=note)


def _sum(name: str, faults: list[Fault]) -> Fault:
    return Fault(
        name,
        len(faults),
        sum(fault.acknowledged for fault in faults),
        sum(fault.found for fault in faults),
        sum(fault.doubled for fault in faults),
    )


def stopped(settings: Settings, folder: Path, rounds: int) -> Fault:
    """Send SIGTERM under load; the recorder commits what it acknowledged, and exits with 0."""
    load = Load(settings, 4)
    longest = 0.0
    for _ in range(rounds):
        with recorder(settings, folder) as process:
            before = len(load.acknowledged)
            with load.running():
                until(lambda: len(load.acknowledged) - before > 10 * SPANS)  # noqa: B023
                began = time.monotonic()
                process.signal(signal.SIGTERM)
                until(lambda: not process.running)
                longest = max(longest, time.monotonic() - began)
            assert process.returncode == 0
    fault = result("SIGTERM under load", settings, rounds, load)
    return replace(fault, note=f"exits with 0, after {longest:.1f} s at most")


def held(settings: Settings, folder: Path, rounds: int) -> Fault:
    """Start a second recorder on the same store; the first one is not disturbed."""
    load = Load(settings, 5)
    with recorder(settings, folder) as process, load.running():
        for _ in range(rounds):
            command = [sys.executable, "-m", "playhead", "--store", str(settings.store)]
            second = subprocess.run(
                [*command, "record", *_PORTS], capture_output=True, text=True, check=False
            )
            assert second.returncode == 3
            pid = read_endpoint(settings.store)
            assert pid is not None
            assert f"in use by process {pid.pid}" in second.stderr
        assert process.running
    committed(settings, folder)
    fault = result("a second recorder on the same store", settings, rounds, load)
    return replace(fault, note="exits with 3 and names the process")


FAULTS: tuple[Callable[[Settings, Path, int], Fault], ...] = (
    kill,
    kill_before_commit,
    kill_while_held,
    kill_after_commit,
    torn_tail,
    flipped_bit,
    stopped,
    held,
)
