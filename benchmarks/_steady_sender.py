"""A sender of small spans to a Collector, which knows what was acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

RATE = 500
"""Spans a second."""
REQUEST_SPANS = 50
SPAN_BYTES = 1000


class Sender:
    """Sends requests at a steady rate, as an exporter does: one at a time, until it is accepted."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/v1/traces"
        self._http = httpx.Client(trust_env=False, timeout=60)
        self._stop = threading.Event()
        self.accepted: set[int] = set()
        """Ids of the spans that the Collector has acknowledged."""
        self.failures = 0
        """Requests that were not acknowledged, and sent again."""
        self.longest = 0.0
        """Longest time in which a request was acknowledged."""
        self._next = 1
        self._lock = threading.Lock()

    def skip(self, spans: int) -> None:
        """Leave out the next ids."""
        self._next += spans

    def send(self, spans: int, size: int, name: str = "span") -> None:
        """Send one request, again and again until it is acknowledged."""
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        group = resource.scope_spans.add()
        with self._lock:
            ids = range(self._next, self._next + spans)
            self._next += spans
        for number in ids:
            span = group.spans.add(name=name, span_id=number.to_bytes(8, "big"))
            span.trace_id = (number // 10 + 1).to_bytes(16, "big")
            span.start_time_unix_nano = time.time_ns()
            span.end_time_unix_nano = span.start_time_unix_nano + 1
            span.attributes.add(key="text").value.string_value = f"{number} ".ljust(size, "x")
        self.post(request.SerializeToString())
        self.accepted.update(ids)

    def post(self, body: bytes) -> None:
        """Send a request until it is acknowledged."""
        headers = {"content-type": "application/x-protobuf"}
        while True:
            started = time.monotonic()
            try:
                response = self._http.post(self._url, content=body, headers=headers)
                accepted = response.is_success
            except httpx.HTTPError:
                accepted = False
            if accepted:
                break
            self.failures += 1
            time.sleep(0.1)
        self.longest = max(self.longest, time.monotonic() - started)

    @contextmanager
    def traffic(self) -> Generator[None]:
        """Send at the usual rate during the block."""
        self._stop.clear()

        def run() -> None:
            due = time.monotonic()
            while not self._stop.is_set():
                self.send(REQUEST_SPANS, SPAN_BYTES)
                due += REQUEST_SPANS / RATE
                self._stop.wait(max(0.0, due - time.monotonic()))

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
