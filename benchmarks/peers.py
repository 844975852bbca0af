"""Compare the recorder with Jaeger v2 and otel-desktop-viewer on the same load.

`python -m benchmarks.peers` starts each of them on its own with an empty store, and sends the load
of `benchmarks.ingest` over OTLP/HTTP from a process of its own: agent runs of 14 spans, 512 spans a
request. Acknowledged is the rate until the last answer. Queryable is the rate until the program's
API returns the traces of the last requests whole. An answer of the recorder means that the spans
are on disk; Jaeger keeps them in memory here, or in Badger's files, and otel-desktop-viewer in
DuckDB. A peer that cannot be built (see scripts/targets.sh) is named with the reason.

`--spans 400000` is the default; `--connections 4`, `--only NAME` choose a part.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import httpx
import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from playhead.local import ManagedProcess, free_port
from playhead.record.endpoint import read_endpoint, read_token
from playhead.record.process import start_recorder
from playhead.record.recorder_client import RecorderAuth
from playhead.settings import Settings

from benchmarks._agent_spans import SPANS, Load

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from target_programs import JAEGER, answers

TARGETS = Path(__file__).parents[1] / "scripts" / "targets.sh"
LAST = 8
"""Last requests whose traces are asked for: several connections send them in any order."""
TRACES = 3
"""Traces of each of them."""
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 600


class Peer(Protocol):
    """A program that receives spans."""

    child: ManagedProcess
    port: int
    """Port of OTLP over HTTP."""

    def spans(self, trace_id: str) -> int:
        """Return the number of spans of a trace that the program's API returns."""
        ...


class Playhead:
    """The recorder."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(store=folder / "store", admin_url="http://127.0.0.1:1")
        log = folder / "recorder.log"
        self.child = start_recorder(settings, log, free_ports=True, journals=False)
        endpoint, token = read_endpoint(settings.store), read_token(settings.store)
        assert endpoint is not None
        assert token is not None
        self.port = endpoint.otlp_http_port
        self._http = httpx.Client(
            base_url=endpoint.api_url, auth=RecorderAuth(endpoint, token), trust_env=False
        )

    def spans(self, trace_id: str) -> int:
        """Count in SQL."""
        sql = f"SELECT count(*) AS n FROM spans WHERE trace_id = '{trace_id}'"
        answer = self._http.post(
            "/query", json={"sql": sql}, headers={"accept": "application/json"}, timeout=60
        )
        found: int = answer.raise_for_status().json()["rows"][0]["n"]
        return found


class Jaeger:
    """Jaeger v2."""

    storage = "memory: {max_traces: 10000000}"

    def __init__(self, folder: Path) -> None:
        api, self.port = free_port(), free_port()
        self._url = f"http://127.0.0.1:{api}/api"
        config = folder / "jaeger.yaml"
        storage = self.storage.replace("FOLDER", str(folder))
        others = {"api_grpc": free_port(), "grpc": free_port()}
        config.write_text(JAEGER.format(storage=storage, api=api, http=self.port, **others))
        command = [target("jaeger"), "--config", config]
        self.child = started(command, folder, f"{self._url}/services")

    def spans(self, trace_id: str) -> int:
        """Count in the answer of the HTTP API."""
        answer = httpx.get(f"{self._url}/traces/{trace_id}", trust_env=False, timeout=60)
        if answer.status_code == 404:
            return 0
        return len({span["spanID"] for span in answer.json()["data"][0]["spans"]})


class JaegerBadger(Jaeger):
    """Jaeger v2 with Badger, which keeps spans in files."""

    storage = (
        'badger: {directories: {keys: "FOLDER/keys", values: "FOLDER/values"}, ephemeral: false}'
    )


class Viewer:
    """otel-desktop-viewer with a database in a file."""

    def __init__(self, folder: Path) -> None:
        api, self.port = free_port(), free_port()
        self._url = f"http://127.0.0.1:{api}"
        command = [
            target("viewer"), "--host=127.0.0.1", f"--http={self.port}", f"--grpc={free_port()}",
            f"--browser-port={api}", "--open-browser=false", f"--db={folder / 'viewer.db'}",
            "--db-max-size=0",
        ]  # fmt: skip
        self.child = started(command, folder, self._url)

    def spans(self, trace_id: str) -> int:
        """Return the count that its web page's API returns."""
        call = {"jsonrpc": "2.0", "id": 1, "method": "getTraceSpanCount", "params": [trace_id]}
        answer = httpx.post(f"{self._url}/rpc", json=call, trust_env=False, timeout=60)
        found: int = answer.raise_for_status().json().get("result", 0)
        return found


PEERS: dict[str, type[Playhead | Jaeger | Viewer]] = {
    "playhead": Playhead,
    "jaeger, memory": Jaeger,
    "jaeger, badger": JaegerBadger,
    "otel-desktop-viewer": Viewer,
}


def target(name: str) -> Path:
    """Return the path of a program. Raises OSError with the reason if it cannot be obtained."""
    done = subprocess.run(
        ["sh", str(TARGETS), name], capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        raise OSError(" ".join(done.stderr.split()[-60:]))
    return Path(done.stdout.split()[-1])


def started(command: Sequence[str | Path], folder: Path, url: str) -> ManagedProcess:
    """Start a program, and wait until it answers."""
    child = ManagedProcess(Path(command[0]).name, command, log=folder / "peer.log").start()
    try:
        child.wait_until(answers(url), seconds=30, what="it answered")
    except BaseException:
        child.stop()
        raise
    return child


def last_traces(requests: int) -> dict[str, int]:
    """Return some traces whose last spans are in the last requests, with their numbers of spans."""
    first = max(requests - LAST - 1, 1)
    counts: Counter[str] = Counter()
    chosen: list[str] = []
    for body in Load().requests(requests - first + 1, first):
        in_this: Counter[str] = Counter()
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                in_this.update(span.trace_id.hex() for span in scope.spans)
        # Those that an earlier request began are whole now.
        chosen += [trace for trace in in_this if trace in counts][:TRACES]
        counts += in_this
    return {trace: counts[trace] for trace in chosen}


class Memory:
    """Watches the memory of a process."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._ended = threading.Event()
        self.peak = 0

    def __enter__(self) -> Memory:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            self.peak = max(self.peak, self._process.memory_info().rss)


def measure(name: str, peer: Peer, requests: int, connections: int) -> Mapping[str, float]:
    """Send the load to a peer; print and return what was found."""
    process = psutil.Process(peer.child.pid)
    command = [
        sys.executable, "-m", "benchmarks._span_sender", str(peer.port),
        f"--requests={requests}", f"--connections={connections}",
    ]  # fmt: skip
    wanted = last_traces(requests)
    with (
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as sender,
        Memory(process) as memory,
    ):
        assert sender.stdin is not None
        assert sender.stdout is not None
        assert sender.stdout.readline() == "ready\n"
        spent = sum(process.cpu_times()[:2])
        began = time.perf_counter()
        print("go", file=sender.stdin, flush=True)
        line = sender.stdout.readline()
        if not line:
            ended = "" if peer.child.running else ", and ended"
            raise OSError(f"it does not accept all requests{ended}")
        left = dict(wanted)
        while left and time.perf_counter() - began < PATIENCE_SECONDS:
            left = {trace: spans for trace, spans in left.items() if peer.spans(trace) < spans}
            if left:
                time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - began
        spent = sum(process.cpu_times()[:2]) - spent
    if left:
        raise OSError(f"{len(left)} of {len(wanted)} traces were not found in {seconds:.0f} s")
    sent = json.loads(line)
    found = {
        "acknowledged": sent["spans"] / sent["seconds"],
        "queryable": sent["spans"] / seconds,
        "p95": sent["p95"],
        "cpu": spent / sent["spans"],
        "memory": memory.peak,
    }
    print(
        f"{name:20} {connections} {found['acknowledged']:9,.0f} {found['queryable']:9,.0f} spans/s"
        f" {found['p95'] * 1e3:7.1f} ms {found['cpu'] * 1e6:6.1f} us"
        f" {found['memory'] / 1e6:6.0f} MB",
        flush=True,
    )
    return found


def main() -> int:
    """Measure and print; return 1 if a peer is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=400_000)
    parser.add_argument("--connections", type=int, action="append", help="repeatable; 1 and 4")
    parser.add_argument("--only", choices=PEERS, action="append", help="repeatable")
    chosen = parser.parse_args()
    requests = chosen.spans // SPANS
    print(f"{requests * SPANS} spans, load average {psutil.getloadavg()[0]:.1f}")
    print(f"{'peer':20} connections, acknowledged, queryable, p95 of answers, processor, memory")
    missing: list[str] = []
    for name in chosen.only or PEERS:
        for connections in chosen.connections or (1, 4):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    peer = PEERS[name](Path(folder))
                    try:
                        measure(name, peer, requests, connections)
                    finally:
                        peer.child.stop(grace=60)
                except Exception as error:  # the others are measured all the same
                    reason = f"{name} NOT MEASURED: {error} {getattr(error, 'hint', '') or ''}"
                    missing.append(reason.strip())
                    print(missing[-1], flush=True)
                    break
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
