"""`instrument(app)`: the one call that a service makes."""

from __future__ import annotations

from typing import Any, TypeVar

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from playhead_tracing.compat import endpoint_of, handlers_of
from playhead_tracing.export import make_provider
from playhead_tracing.scope import attempt_scope

AppT = TypeVar("AppT")


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
        The app to serve in place of the one given.

    Raises:
        NotARestateApp: `app` is not an app of `restate.app(...)`.
    """
    endpoint = endpoint_of(app)
    if tracer_provider is None:
        tracer_provider = make_provider()
        trace.set_tracer_provider(tracer_provider)
    for handler in handlers_of(endpoint):
        handler.context_managers = [attempt_scope, *(handler.context_managers or [])]
    if instrument_pydantic_ai:
        _instrument_pydantic_ai(tracer_provider)
    return app


def _instrument_pydantic_ai(tracer_provider: TracerProvider) -> None:
    try:
        from pydantic_ai import Agent
        from pydantic_ai.models.instrumented import InstrumentationSettings
    except ImportError:
        return
    settings: Any = InstrumentationSettings(tracer_provider=tracer_provider)
    Agent.instrument_all(settings)
