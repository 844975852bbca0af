"""Measure exports to an OTLP sink, and imports of OTLP/JSON lines.

`python -m benchmarks.exchange` fills a store with agent-like spans (14 per trace, about 1.3 KB
each), exports them with `playhead export` to a sink in another process, writes them to a file, and
imports the file into an empty store. Figures contain the start of the command and of its recorder.
The floors are what one process needs with the protobuf library alone: for an export, to read the
spans from the database and encode them; for an import, to parse the lines and encode them. Ratios
are those of processor time, because other work on the machine changes the rates.

`--spans 1000000` shows that the memory of an export does not grow with the store, except for 8
bytes per span, by which it knows what was sent.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from playhead.export.otlp_encoding import batches
from playhead.export.stored_spans import SpanReader, StoredSpan
from playhead.record.client import connect
from playhead.record.otlp.columns import SpanDecoder
from playhead.record.otlp.json_requests import fill_request, parse_traces
from playhead.settings import Settings
from playhead.store.database import Store
from playhead.store.span_writer import SpanWriter

from benchmarks._agent_spans import SPANS, Load

PLAYHEAD = [sys.executable, "-m", "playhead"]
ROUND = 40
"""Requests that are made at a time."""


class Sink(BaseHTTPRequestHandler):
    """Takes every request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read the body, and answer."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


def serve(port: multiprocessing.Queue[int]) -> None:
    """Run a sink; report its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    port.put(server.server_address[1])
    server.serve_forever()


def fill(folder: Path, spans: int) -> None:
    """Make a store of this many spans."""
    store = Store(folder)
    writer = SpanWriter(store)
    decoder = SpanDecoder()
    load = Load()
    for first in range(0, spans // SPANS, ROUND):
        count = min(ROUND, spans // SPANS - first)
        writer.write_table(decoder.decode(list(load.requests(count, first + 1))))
    store.close()


async def export_floor(store: Path) -> float:
    """Return the seconds of a processor to read all spans and encode them with protobuf."""
    client = await connect(Settings(store=store))
    assert client is not None
    started = time.process_time()
    async for _, spans in SpanReader(client).spans():
        for batch in batches(spans):
            protobuf_request(batch).SerializeToString()
    seconds = time.process_time() - started
    await client.close()
    return seconds


def protobuf_request(spans: list[StoredSpan]) -> ExportTraceServiceRequest:
    """Return a request that the protobuf library makes."""
    request = ExportTraceServiceRequest()
    groups: dict[tuple[int, str], ScopeSpans] = {}
    for span in spans:
        group = groups.get((id(span.resource), span.scope_name))
        if group is None:
            resource = request.resource_spans.add()
            set_attributes(resource.resource.attributes, span.resource)
            group = groups[id(span.resource), span.scope_name] = resource.scope_spans.add()
            group.scope.name = span.scope_name
        message = group.spans.add(name=span.name)
        message.trace_id = bytes.fromhex(span.trace_id)
        message.span_id = bytes.fromhex(span.span_id)
        message.parent_span_id = bytes.fromhex(span.parent_span_id or "")
        message.start_time_unix_nano = span.start_unix_nano
        message.end_time_unix_nano = span.end_unix_nano
        set_attributes(message.attributes, span.attributes)
        for event in span.events:
            set_attributes(message.events.add(name=event["name"]).attributes, event["attributes"])
    return request


def set_attributes(pairs: Any, attributes: Mapping[str, Any]) -> None:
    """Set the values that the spans of this benchmark have."""
    for key, value in attributes.items():
        message = pairs.add(key=key).value
        if isinstance(value, str):
            message.string_value = value
        elif isinstance(value, bool):
            message.bool_value = value
        elif isinstance(value, int):
            message.int_value = value
        elif isinstance(value, float):
            message.double_value = value
        else:
            message.string_value = json.dumps(value)


def import_floor(file: Path) -> float:
    """Return the seconds of a processor to parse all lines and encode them with protobuf."""
    started = time.process_time()
    with file.open("rb") as lines:
        for line in lines:
            fill_request(parse_traces(line)).SerializeToString()
    return time.process_time() - started


@dataclass(frozen=True)
class Measured:
    """What a command needed."""

    seconds: float
    cpu: float
    """Seconds of all processors."""
    memory: int
    """Peak in bytes."""


def run(*arguments: str | Path) -> Measured:
    """Run a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen([*PLAYHEAD, *map(str, arguments)], stdout=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    memory = 0
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            memory = max(memory, watched.memory_info().rss)
        time.sleep(0.02)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {arguments}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(seconds, cpu, memory)


def show(name: str, spans: int, found: Measured, floor: float) -> None:
    """Print a rate, and its ratio to a floor."""
    print(
        f"{name:20} {spans / found.seconds:9.0f} spans/s {found.cpu / spans * 1e6:7.1f} us of CPU"
        f" per span, {floor / found.cpu:5.2f} of the floor {found.memory / 1e6:6.0f} MB at most",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=204_800)
    spans: int = parser.parse_args().spans // SPANS * SPANS
    port: multiprocessing.Queue[int] = multiprocessing.Queue()
    sink = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    sink.start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, file = folder / "store", folder / "spans.jsonl"
        filling = multiprocessing.Process(target=fill, args=(store, spans))
        filling.start()
        filling.join()
        print(f"{spans} spans")
        endpoint = f"http://127.0.0.1:{port.get()}"
        floor = asyncio.run(export_floor(store))
        print(f"{'floor of exports':20} {floor / spans * 1e6:7.1f} us of CPU per span")
        export = ("--store", store, "export", "traces", "--to")
        for target in ("otlp", "phoenix"):
            found = run(*export, target, "--endpoint", endpoint)
            show(f"export to {target}", spans, found, floor)
        show("export to a file", spans, run(*export, "file", file), floor)
        show("export to Parquet", spans, run(*export, "parquet", folder / "parquet"), floor)
        floor = import_floor(file)
        print(f"{'floor of imports':20} {floor / spans * 1e6:7.1f} us of CPU per span")
        show("import", spans, run("--store", folder / "imported", "import", file), floor)
    sink.terminate()


if __name__ == "__main__":
    main()
