"""The receiver of OTLP over gRPC: the trace service."""

from __future__ import annotations

import functools
from typing import Any

import grpc
import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,  # pyright: ignore[reportUnknownVariableType]
)

from playhead.errors import CommitError, QueueFullError
from playhead.record.ingest import Ingest
from playhead.record.otlp import from_message

__all__ = ["serve"]


class _Traces(TraceServiceServicer):
    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def Export(  # noqa: N802 - the protocol's name
        self, request: ExportTraceServiceRequest, context: Any
    ) -> ExportTraceServiceResponse:
        try:
            spans = await self._ingest.submit(
                functools.partial(from_message, request), request.ByteSize()
            )
        except (QueueFullError, CommitError) as error:
            # Senders retry UNAVAILABLE, but RESOURCE_EXHAUSTED only with further details.
            await context.abort(grpc.StatusCode.UNAVAILABLE, error.title)
            raise
        return spans.response()


async def serve(ingest: Ingest, port: int, *, limit: int) -> tuple[Any, int]:
    """Start the receiver on 127.0.0.1; return the server and its port.

    Args:
        ingest: Commits the spans.
        port: Port to listen on; 0 takes a free port.
        limit: Size of the largest request in bytes.

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
    add_TraceServiceServicer_to_server(_Traces(ingest), server)
    try:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError as error:
        raise OSError(str(error)) from error
    if not bound:
        raise OSError(f"port {port} is taken")
    await server.start()
    return server, bound
