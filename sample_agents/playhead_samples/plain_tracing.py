"""Agents traced by Pydantic AI's own instrumentation, without Playhead's tracing bridge.

`PLAYHEAD_BRIDGE=off`: every attempt begins a new trace, and replayed calls are traced again.
`PLAYHEAD_BRIDGE=context`: the same spans, below the server's span of the attempt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic_ai import Agent

__all__ = ["OFF", "VARIABLE", "WITH_CONTEXT", "traced"]

VARIABLE = "PLAYHEAD_BRIDGE"
OFF = "off"
WITH_CONTEXT = "context"


def traced(app: Any, *, attach: bool) -> Any:
    """Trace Pydantic AI with OpenTelemetry alone; return the ASGI app to serve.

    Args:
        app: the app of the services.
        attach: continue the trace that the server sends with each attempt.
    """
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    Agent.instrument_all()
    return _with_context(app) if attach else app


def _with_context(app: Any) -> Any:
    async def serve(
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        headers = cast("list[tuple[bytes, bytes]]", scope.get("headers") or [])
        token = context.attach(extract({k.decode(): v.decode() for k, v in headers}))
        try:
            await app(scope, receive, send)
        finally:
            context.detach(token)

    return serve
