"""Measure the rate at which the recorder accepts spans.

`python -m benchmarks.ingest` sends agent-like spans (14 per trace, about 1.3 KB each) in requests
of 512 over 4 connections to a recorder process. It waits for each answer, which means that the
spans are durable. The baseline decodes and commits the same requests in one process without a
server. Both run alternately; medians are printed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import tempfile
import threading
import time
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from playhead.record.endpoint import RecorderEndpoint, read_endpoint, read_token
from playhead.record.otlp_columns import SpanDecoder
from playhead.record.process import start_recorder
from playhead.settings import Settings
from playhead.store.database import Store
from playhead.store.span_writer import SpanWriter

SPANS = 512
CONNECTIONS = 4
TRACE = 14


def bodies(count: int, seed: int) -> list[bytes]:
    """Return requests of 512 spans each."""
    rng = random.Random(seed)
    messages = json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": "lorem ipsum " * 20}]}]
    )
    out: list[bytes] = []
    for _ in range(count):
        message = ExportTraceServiceRequest()
        resource = message.resource_spans.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "agent"
        scope = resource.scope_spans.add()
        scope.scope.name = "pydantic-ai"
        trace = parent = b""
        for number in range(SPANS):
            if number % TRACE == 0:
                trace, parent = rng.randbytes(16), b""
            span = scope.spans.add()
            span.trace_id, span.span_id, span.parent_span_id = trace, rng.randbytes(8), parent
            span.name = "chat gpt-5"
            span.start_time_unix_nano = time.time_ns()
            span.end_time_unix_nano = span.start_time_unix_nano + 10**9
            for key, text in (
                ("gen_ai.operation.name", "chat"),
                ("gen_ai.request.model", "gpt-5"),
                ("gen_ai.response.model", "gpt-5-2026-01-01"),
                ("gen_ai.input.messages", messages),
                ("gen_ai.output.messages", messages),
                ("gen_ai.agent.name", "weather"),
                ("gen_ai.conversation.id", rng.randbytes(16).hex()),
                ("server.address", "127.0.0.1"),
            ):
                span.attributes.add(key=key).value.string_value = text
            for key in ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "server.port"):
                span.attributes.add(key=key).value.int_value = rng.randrange(10_000)
            if not parent:
                invocation = span.attributes.add(key="restate.invocation.id")
                invocation.value.string_value = f"inv_{trace.hex()}"
            parent = span.span_id
        out.append(message.SerializeToString())
    return out


def floor(requests: list[bytes]) -> float:
    """Return spans per second, decoded and committed request by request."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        writer, decoder = SpanWriter(store), SpanDecoder()
        started = time.perf_counter()
        for body in requests:
            writer.write_table(decoder.decode([body]))
        seconds = time.perf_counter() - started
        store.close()
    return len(requests) * SPANS / seconds


def recorder(requests: list[bytes]) -> tuple[float, float]:
    """Return the spans per second that are acknowledged, and that queries find by invocation."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(store=Path(folder, "store"))
        log = Path(folder, "log")
        child = start_recorder(settings, log, free_ports=True, journals=False)
        try:
            endpoint = read_endpoint(settings.store)
            assert endpoint is not None
            waiting = list(requests)
            threads = [
                threading.Thread(target=_send, args=(endpoint.otlp_http_port, waiting))
                for _ in range(CONNECTIONS)
            ]
            started = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            acknowledged = time.perf_counter() - started
            assert not waiting
            count = len(requests) * SPANS
            token = read_token(settings.store) or ""
            while _found(endpoint, token) < count:
                time.sleep(0.005)
            queryable = time.perf_counter() - started
        finally:
            child.stop()
    return count / acknowledged, count / queryable


def _send(port: int, waiting: list[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"content-type": "application/x-protobuf"}
    while True:
        try:
            body = waiting.pop()
        except IndexError:
            break
        connection.request("POST", "/v1/traces", body, headers)
        response = connection.getresponse()
        response.read()
        if response.status == 503:
            waiting.append(body)
        elif response.status != 200:
            raise RuntimeError(f"the recorder answered {response.status}")
    connection.close()


def _found(endpoint: RecorderEndpoint, token: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.api_port)
    sql = "SELECT count(*) AS n FROM spans WHERE invocation_id IS NOT NULL"
    headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
    connection.request("POST", "/query", json.dumps({"sql": sql}), headers)
    found: int = json.loads(connection.getresponse().read())["rows"][0]["n"]
    connection.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=80, help="of 512 spans each")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    requests = bodies(arguments.requests, seed=1)
    size = sum(map(len, requests)) / len(requests) / SPANS
    print(f"{len(requests) * SPANS} spans, {size:.0f} bytes each, {CONNECTIONS} connections")
    floors: list[float] = []
    results: list[tuple[float, float]] = []
    for _ in range(arguments.rounds):
        floors.append(floor(requests))
        results.append(recorder(requests))
    base = statistics.median(floors)
    print(f"baseline       {base:9.0f} spans/s")
    for name, column in (("acknowledged", 0), ("queryable", 1)):
        rate = statistics.median(result[column] for result in results)
        print(f"{name:14} {rate:9.0f} spans/s   {rate / base:.2f} of the baseline")


if __name__ == "__main__":
    main()
