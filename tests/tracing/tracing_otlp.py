"""An OTLP/HTTP receiver that keeps the spans as plain rows."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from waiting import until


@dataclass(frozen=True)
class Row:
    """One span as received; ids in hex, "" for no parent."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    scope: str
    service: str
    start: int
    end: int
    status: int
    status_message: str
    attributes: dict[str, Any]
    events: tuple[tuple[str, dict[str, Any]], ...] = ()

    @property
    def error(self) -> bool:
        return self.status == 2


@dataclass
class Receiver:
    """Collects the spans of all requests; answers 503 while `refuse` is set."""

    rows: list[Row] = field(default_factory=list)
    requests: int = 0
    refuse: bool = False

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                status = 503 if receiver.refuse else 200
                if not receiver.refuse:
                    receiver.take(body)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.send_header("content-type", "application/x-protobuf")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"{self.base}/v1/traces"

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        self.requests += 1
        for resource_spans in request.resource_spans:
            resource = {a.key: plain(a.value) for a in resource_spans.resource.attributes}
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    self.rows.append(
                        Row(
                            trace_id=span.trace_id.hex(),
                            span_id=span.span_id.hex(),
                            parent_span_id=span.parent_span_id.hex(),
                            name=span.name,
                            scope=scope_spans.scope.name,
                            service=str(resource.get("service.name", "")),
                            start=span.start_time_unix_nano,
                            end=span.end_time_unix_nano,
                            status=span.status.code,
                            status_message=span.status.message,
                            attributes={a.key: plain(a.value) for a in span.attributes},
                            events=tuple(
                                (e.name, {a.key: plain(a.value) for a in e.attributes})
                                for e in span.events
                            ),
                        )
                    )

    def wait(self, done: Callable[[list[Row]], Any], seconds: float = 20, what: str = "") -> Any:
        """Wait until `done(rows)` is true and return its result."""
        try:
            return until(lambda: done(list(self.rows)), what or repr(done), seconds=seconds)
        except AssertionError as error:
            error.add_note(f"spans: {[f'{r.name} {r.trace_id[:6]}' for r in self.rows]}")
            raise

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(v) for v in value.array_value.values]
    if kind == "kvlist_value":
        return {v.key: plain(v.value) for v in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)
