"""`instrument(app)`: the one call that a service makes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from playhead_tracing.compat import endpoint_of, handlers_of, wrap_processors
from playhead_tracing.export import make_provider
from playhead_tracing.frameworks import instrument_pydantic_ai as switch_on_pydantic_ai
from playhead_tracing.intake import Intake, current_intake
from playhead_tracing.processor import BridgeProcessor
from playhead_tracing.scope import Scope

AppT = TypeVar("AppT")
_MARK = "__playhead_tracing__"


def instrument(
    app: AppT,
    *,
    tracer_provider: TracerProvider | None = None,
    instrument_pydantic_ai: bool = True,
) -> AppT:
    """Put the spans of agents into the trace of the Restate invocation they run in.

    Args:
        app: what `restate.app(...)` returned.
        tracer_provider: an OpenTelemetry SDK provider; by default one is made from the standard
            `OTEL_*` settings and becomes the global one.
        instrument_pydantic_ai: whether Pydantic AI's agents emit spans, all of them.

    Returns:
        The app to serve in place of the one given. An app that is instrumented already is
        returned as it is.

    Raises:
        NotARestateApp: `app` is not an app of `restate.app(...)`.
    """
    if getattr(app, _MARK, False):
        return app
    endpoint = endpoint_of(app)
    if tracer_provider is None:
        tracer_provider = make_provider()
        trace.set_tracer_provider(tracer_provider)
    processor = cast(BridgeProcessor, wrap_processors(tracer_provider, BridgeProcessor))
    scope = Scope(tracer_provider, processor)
    for handler in handlers_of(endpoint):
        handler.context_managers = [scope, *(handler.context_managers or [])]
    if instrument_pydantic_ai:
        switch_on_pydantic_ai(tracer_provider)
    return cast(AppT, _served(cast(Any, app)))


def _served(app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def served(scope: Any, receive: Any, send: Any) -> None:
        intake = Intake(receive)
        token = current_intake.set(intake)
        try:
            await app(scope, intake, send)
        finally:
            current_intake.reset(token)

    setattr(served, _MARK, True)
    return served
