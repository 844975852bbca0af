"""`instrument(app)`: the function that a service calls."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, cast

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from playhead_tracing import shutdown
from playhead_tracing.attempt_scope import AttemptScope, attach_parent
from playhead_tracing.compat import (
    endpoint_of,
    handlers_of,
    problems,
    sdk_provider,
    wrap_processors,
)
from playhead_tracing.export import make_provider
from playhead_tracing.frameworks import instrument_pydantic_ai as switch_on_pydantic_ai
from playhead_tracing.lazy_spans import install
from playhead_tracing.pending_spans import pending_exporter
from playhead_tracing.processor import BridgeProcessor
from playhead_tracing.redaction import Redact
from playhead_tracing.request_body import RequestBody, current_request_body

AppT = TypeVar("AppT")
_log = logging.getLogger(__name__)
_MARK = "__playhead_tracing__"


def instrument(
    app: AppT,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    instrument_pydantic_ai: bool = True,
    redact: Redact | None = None,
) -> AppT:
    """Add the spans of agents to the trace of their Restate invocation.

    Args:
        app: The app that `restate.app(...)` returned.
        tracer_provider: Provider of the OpenTelemetry SDK, or Logfire's. The default is
            the global provider. If none is set, a new one is created from the standard `OTEL_*`
            settings and set as the global one. From now on its processors receive only spans
            that ran.
        instrument_pydantic_ai: Whether all Pydantic AI agents emit spans.
        redact: Called for every attribute before it is exported (see `Redact`).

    Returns:
        The app to serve instead. An app that is already instrumented is returned unchanged.

    Raises:
        NotARestateAppError: `app` is not an app of `restate.app(...)`.
        TypeError: `tracer_provider` is not a provider of the OpenTelemetry SDK.
    """
    if getattr(app, _MARK, False):
        return app
    endpoint = endpoint_of(app)
    provider = _provider(tracer_provider)
    wrap = partial(BridgeProcessor, redact=redact, pending=pending_exporter())
    processor = wrap_processors(provider, wrap)
    install(provider, processor.opened_lazily, processor.ended_lazily)
    unknown = problems()
    if unknown:
        _log.warning(
            "playhead-tracing does not support this version of restate-sdk (%s): spans belong "
            "to Restate's attempts, but repeated spans are exported and steps have no spans.",
            "; ".join(unknown),
        )
    manager = attach_parent if unknown else AttemptScope(provider, processor)
    for handler in handlers_of(endpoint):
        managers = handler.context_managers or []
        if not any(m is attach_parent or isinstance(m, AttemptScope) for m in managers):
            handler.context_managers = [manager, *managers]
    if instrument_pydantic_ai:
        switch_on_pydantic_ai(provider)
    return cast(AppT, _served(cast(Any, app), processor))


def _provider(provider: trace.TracerProvider | None) -> TracerProvider:
    if provider is None:
        existing = trace.get_tracer_provider()
        if isinstance(existing, trace.ProxyTracerProvider):
            created = make_provider()
            trace.set_tracer_provider(created)
            return created
        provider = existing
    return sdk_provider(provider)


def _served(
    app: Callable[..., Awaitable[None]], processor: BridgeProcessor
) -> Callable[..., Awaitable[None]]:
    prepared: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()

    async def served(scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        if loop not in prepared:
            prepared.add(loop)
            shutdown.prepare(loop, processor.save)
        body = RequestBody(receive)
        token = current_request_body.set(body)
        try:
            await app(scope, body, send)
        finally:
            current_request_body.reset(token)

    setattr(served, _MARK, True)
    return served
