"""The receiver of OTLP over gRPC: the trace service. Logs and metrics are accepted and dropped."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import grpc
import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from playhead.errors import CommitError, MalformedRequestError, QueueFullError, RequestBodyError
from playhead.record.endpoint import TOKEN_NEEDED, is_bearer
from playhead.record.ingest.queue import Ingest
from playhead.record.otlp.requests import inspect_protobuf

__all__ = ["serve"]

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
DROPPED = {
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
"""Services of the signals that are not stored."""


class _Traces:
    def __init__(self, ingest: Ingest, token: str | None) -> None:
        self._ingest = ingest
        self._token = token

    async def export(self, body: bytes, context: Any) -> ExportTraceServiceResponse:
        reserved = 0
        if self._token is not None and not is_bearer(_authorization(context), self._token):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, TOKEN_NEEDED)
        try:
            self._ingest.reserve(len(body))
            reserved = len(body)
            inspection = await self._ingest.submit(
                len(body), functools.partial(inspect_protobuf, body)
            )
        except (QueueFullError, CommitError) as error:
            # Senders retry UNAVAILABLE, but RESOURCE_EXHAUSTED only with further details.
            await context.abort(grpc.StatusCode.UNAVAILABLE, error.title)
            raise
        except (MalformedRequestError, RequestBodyError) as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.title)
            raise
        finally:
            self._ingest.release(reserved)
        return inspection.response()


class _Drop:
    def __init__(self, signal: str, token: str | None, dropped: Counter[str]) -> None:
        self._signal = signal
        self._token = token
        self._dropped = dropped

    async def export(self, _: bytes, context: Any) -> bytes:
        """Return an empty message: everything was accepted."""
        if self._token is not None and not is_bearer(_authorization(context), self._token):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, TOKEN_NEEDED)
        self._dropped[self._signal] += 1
        return b""


def _authorization(context: Any) -> str:
    return next((str(v) for k, v in context.invocation_metadata() if k == "authorization"), "")


async def serve(
    ingest: Ingest,
    port: int,
    *,
    limit: int,
    token: str | None = None,
    dropped: Counter[str] | None = None,
) -> tuple[Any, int]:
    """Start the receiver on 127.0.0.1; return the server and its port.

    Args:
        ingest: Commits the spans.
        port: Port to listen on; 0 takes a free port.
        limit: Size of the largest request in bytes.
        token: Bearer token that senders must have; None for no token.
        dropped: Counts requests with logs and metrics, by signal.

    Raises:
        OSError: Another process uses the port.
    """
    server = grpc.aio.server(
        options=[
            # Without this, two recorders would share the port silently.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", limit),
        ]
    )
    # The requests stay bytes, since the request log takes them as they are.
    export: Any = grpc.unary_unary_rpc_method_handler(  # pyright: ignore[reportUnknownVariableType]
        _Traces(ingest, token).export,
        request_deserializer=None,
        response_serializer=ExportTraceServiceResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Export": export}),)
    )
    for signal, service in DROPPED.items():
        accept: Any = grpc.unary_unary_rpc_method_handler(  # pyright: ignore[reportUnknownVariableType]
            _Drop(signal, token, Counter() if dropped is None else dropped).export
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {"Export": accept}),)
        )
    try:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError as error:
        raise OSError(str(error)) from error
    if not bound:
        raise OSError(f"port {port} is taken")
    await server.start()
    return server, bound
