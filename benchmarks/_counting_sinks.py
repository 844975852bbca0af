"""OTLP receivers that count spans by id, and that can be away, blocked or busy."""

from __future__ import annotations

import gzip
import socket
import threading
from abc import ABC, abstractmethod
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from otlp_sink import spans_of
from planted_secrets import VALUES, leaked
from playhead.local import free_port

LARGEST = 4 * 1024 * 1024
"""Size up to which gRPC servers take a request unless they are configured otherwise."""


class Sink(ABC):
    """A receiver; counts what it has answered with success."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.counts: Counter[int] = Counter()
        """Number of times that each span arrived, by its id."""
        self.leaks = 0
        """Requests with one of the planted secrets in a span or in its resource."""
        self.poison = False
        """Whether a request with a span named `poison` is refused for good."""
        self._lock = threading.Lock()

    def take(self, request: ExportTraceServiceRequest) -> bool:
        """Count the spans of a request; return False if it is refused."""
        spans = spans_of(request)
        if self.poison and any(span.name == "poison" for span in spans):
            return False
        with self._lock:
            if any(span.name in VALUES for span in spans):
                self.leaks += leaked(str(request))
            self.counts.update(int.from_bytes(span.span_id, "big") for span in spans)
        return True

    @abstractmethod
    def up(self) -> None:
        """Accept requests."""

    @abstractmethod
    def down(self) -> None:
        """Accept no connections, and close the open ones."""


class HttpSink(Sink):
    """A receiver of OTLP over HTTP."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.answering = threading.Event()
        """Requests wait for it, and are dropped if they had to."""
        self.answering.set()
        self.status = 200
        self._server: ThreadingHTTPServer | None = None
        self._connections: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                sink._connections.add(self.connection)

            def finish(self) -> None:
                sink._connections.discard(self.connection)
                super().finish()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if not sink.answering.is_set():
                    sink.answering.wait()
                    self.close_connection = True
                    return
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                status = sink.status
                if status == 200 and not sink.take(ExportTraceServiceRequest.FromString(body)):
                    status = 400
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return None

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                return None  # a connection that `down` closed

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class GrpcSink(Sink):
    """A receiver of OTLP over gRPC, with gRPC's usual limit of 4 MiB."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._server: grpc.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def up(self) -> None:
        sink = self

        class Servicer(TraceServiceServicer):
            def Export(self, request: Any, context: Any) -> ExportTraceServiceResponse:  # noqa: N802
                if not sink.take(request):
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a span is invalid")
                return ExportTraceServiceResponse()

        self._server = grpc.server(
            ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", LARGEST)]
        )
        add_TraceServiceServicer_to_server(Servicer(), self._server)
        self._server.add_insecure_port(self.address)
        self._server.start()

    def down(self) -> None:
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None
