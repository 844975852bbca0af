"""`instrument(app)`: the one call that a service makes."""

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
from playhead_tracing.compat import (
    endpoint_of,
    handlers_of,
    problems,
    sdk_provider,
    wrap_processors,
)
from playhead_tracing.export import make_provider
from playhead_tracing.frameworks import instrument_pydantic_ai as switch_on_pydantic_ai
from playhead_tracing.intake import Intake, current_intake
from playhead_tracing.lazy import install
from playhead_tracing.pending import pending_exporter
from playhead_tracing.processor import BridgeProcessor
from playhead_tracing.redaction import Redact
from playhead_tracing.scope import Scope, attach_parent

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
    """Put the spans of agents into the trace of the Restate invocation they run in.

    Args:
        app: what `restate.app(...)` returned.
        tracer_provider: an OpenTelemetry SDK provider, Logfire's included; by default the global
            one, and when there is none yet, one that is made from the standard `OTEL_*` settings
            and becomes the global one. Its processors get only what really ran from now on.
        instrument_pydantic_ai: whether Pydantic AI's agents emit spans, all of them.
        redact: asked for every attribute before it leaves (see `Redact`).

    Returns:
        The app to serve in place of the one given. An app that is instrumented already is
        returned as it is.

    Raises:
        NotARestateApp: `app` is not an app of `restate.app(...)`.
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
            "This version of restate-sdk is not known to playhead-tracing (%s): spans go under "
            "Restate's attempts, but repeats are not left out and steps have no spans.",
            "; ".join(unknown),
        )
    manager = attach_parent if unknown else Scope(provider, processor)
    for handler in handlers_of(endpoint):
        managers = handler.context_managers or []
        if not any(m is attach_parent or isinstance(m, Scope) for m in managers):
            handler.context_managers = [manager, *managers]
    if instrument_pydantic_ai:
        switch_on_pydantic_ai(provider)
    return cast(AppT, _served(cast(Any, app), processor))


def _provider(given: trace.TracerProvider | None) -> TracerProvider:
    if given is None:
        existing = trace.get_tracer_provider()
        if isinstance(existing, trace.ProxyTracerProvider):
            made = make_provider()
            trace.set_tracer_provider(made)
            return made
        given = existing
    return sdk_provider(given)


def _served(
    app: Callable[..., Awaitable[None]], processor: BridgeProcessor
) -> Callable[..., Awaitable[None]]:
    prepared: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()

    async def served(scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        if loop not in prepared:
            prepared.add(loop)
            shutdown.prepare(loop, processor.save)
        intake = Intake(receive)
        token = current_intake.set(intake)
        try:
            await app(scope, intake, send)
        finally:
            current_intake.reset(token)

    setattr(served, _MARK, True)
    return served
