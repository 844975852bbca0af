"""An OTLP receiver over HTTP that keeps what it takes, and answers as a test wants."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Answer:
    """One answer of the sink."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])


def partial(rejected: int, message: str) -> Answer:
    """Return the answer that rejects some spans of a request."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return Answer(body=response.SerializeToString())


def spans_of(request: ExportTraceServiceRequest) -> list[Span]:
    return [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]


class OtlpSink:
    """A server on a free port; a context manager."""

    def __init__(
        self, answer: Callable[[ExportTraceServiceRequest], Answer] = lambda request: Answer()
    ) -> None:
        self.answer = answer
        self.requests: list[ExportTraceServiceRequest] = []
        """Requests that were answered with 200."""
        self.headers: list[dict[str, str]] = []
        """Headers of all requests, with names in lower case."""
        self.paths: list[str] = []
        self.sizes: list[int] = []
        """Unpacked sizes of all requests."""
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                request = ExportTraceServiceRequest.FromString(body)
                sink.headers.append({name.lower(): v for name, v in self.headers.items()})
                sink.paths.append(self.path)
                sink.sizes.append(len(body))
                answer = sink.answer(request)
                if answer.status == 200:
                    sink.requests.append(request)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[Span]:
        """All spans of the requests that were answered with 200."""
        return [span for request in self.requests for span in spans_of(request)]

    def __enter__(self) -> OtlpSink:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
