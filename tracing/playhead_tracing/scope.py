"""The attempt's place in the trace: what runs in a handler goes under Restate's attempt span."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry import context as otel_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from restate.extensions import current_context

_propagator = TraceContextTextMapPropagator()


@asynccontextmanager
async def attempt_scope() -> AsyncIterator[None]:
    """One attempt of one invocation, around the handler."""
    restate = current_context()
    assert restate is not None, "Restate enters its context managers inside an invocation"
    parent = _propagator.extract(restate.request().attempt_headers)
    token = otel_context.attach(parent)
    try:
        yield
    finally:
        otel_context.detach(token)
