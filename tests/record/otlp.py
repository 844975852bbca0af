"""Build and send OTLP requests, and read the store."""

from __future__ import annotations

import json
import random
import ssl
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from playhead.record.recorder import Recorder
from playhead.store.query import to_rows

_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def request(
    count: int, *, seed: int = 0, trace: bytes | None = None, padding: int = 0
) -> ExportTraceServiceRequest:
    """Return a request of `count` spans in traces of 14."""
    rng = random.Random(seed)
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "tests"
    scope = resource.scope_spans.add()
    scope.scope.name = "scope"
    trace_id = b""
    for number in range(count):
        if number % 14 == 0:
            trace_id = trace or rng.randbytes(16)
        span = scope.spans.add()
        span.trace_id = trace_id
        span.span_id = rng.randbytes(8)
        span.name = f"span {number}"
        span.kind = Span.SpanKind.SPAN_KIND_INTERNAL
        span.start_time_unix_nano = 1_700_000_000_000_000_000 + number
        span.end_time_unix_nano = span.start_time_unix_nano + 1000
        span.attributes.add(key="number").value.int_value = number
        if padding:
            span.attributes.add(key="padding").value.string_value = "x" * padding
    return message


def client() -> httpx.AsyncClient:
    """Return a client without certificates, because loading them takes longer than most tests."""
    return httpx.AsyncClient(trust_env=False, timeout=60, verify=_PLAIN)


async def post(
    recorder: Recorder, content: bytes, kind: str = PROTOBUF, **headers: str
) -> httpx.Response:
    """Send a body to the receiver."""
    async with client() as http:
        return await http.post(
            f"http://127.0.0.1:{recorder.endpoint.otlp_http_port}/v1/traces",
            content=content,
            headers={"content-type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}},
        )


def answer(response: httpx.Response) -> ExportTraceServiceResponse:
    """Return the decoded answer."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == PROTOBUF
    return ExportTraceServiceResponse.FromString(response.content)


def select(recorder: Recorder, sql: str, *params: Any) -> list[dict[str, Any]]:
    """Return rows of the store, without the API."""
    cursor = recorder.store.cursor()
    try:
        return to_rows(cursor, sql, params)
    finally:
        cursor.close()


async def spans(recorder: Recorder) -> list[dict[str, Any]]:
    """Return all acknowledged spans with decoded attributes."""
    assert await recorder.ingest.settled(30)
    rows = select(recorder, "SELECT * FROM spans ORDER BY start_unix_nano, span_id")
    for row in rows:
        for name in ("attributes", "resource", "events", "links"):
            row[name] = json.loads(row[name])
    return rows
