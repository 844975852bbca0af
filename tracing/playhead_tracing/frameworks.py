"""Agent frameworks: enabling their spans, and reporting replayed work to them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

CAPTURE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""Standard variable for prompts and answers in spans: `true` or `false`."""

try:
    from pydantic_ai.durable_exec import record_durable_unit, replay_scope
except ImportError:
    record_durable_unit = replay_scope = None


def replay_units() -> AbstractContextManager[None]:
    """Return Pydantic AI's scope, which leaves replayed work out of its spans and metrics."""
    return replay_scope() if replay_scope is not None else nullcontext()


def unit_listener() -> Callable[[bool], None] | None:
    """Return the function that reports a durable unit to Pydantic AI; None if not installed.

    Its argument is True if the unit ran, False if it was replayed.
    """
    if record_durable_unit is None:
        return None
    record = record_durable_unit

    def report(executed: bool) -> None:
        record(executed=executed)

    return report


def instrument_pydantic_ai(provider: TracerProvider) -> None:
    """Make every Pydantic AI agent emit spans to `provider`; do nothing if it is not installed.

    An earlier call of `Agent.instrument_all` keeps its settings.
    """
    try:
        from pydantic_ai import Agent
        from pydantic_ai.models.instrumented import InstrumentationSettings
    except ImportError:
        return
    if getattr(Agent, "_instrument_default", False):
        return
    options: dict[str, Any] = {}
    capture = os.environ.get(CAPTURE_CONTENT)
    if capture is not None:
        options["include_content"] = capture.strip().lower() in ("true", "1")
    Agent.instrument_all(InstrumentationSettings(tracer_provider=provider, **options))
