"""`instrument()`: its arguments, its errors, and its fallback on an unsupported SDK."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import playhead_tracing
import pytest
import restate
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from playhead_tracing import NotARestateAppError, compat, instrument
from playhead_tracing.attempt_scope import AttemptScope, attach_parent
from restate.vm import VMWrapper


@pytest.fixture
def service() -> Any:
    service = restate.Service("Plain")

    @service.handler()
    async def ask(ctx: restate.Context, key: str) -> str:
        return key

    return service


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def on(app: Any, provider: Any) -> Any:
    return instrument(app, tracer_provider=provider, instrument_pydantic_ai=False)


def test_public_surface() -> None:
    assert sorted(playhead_tracing.__all__) == [
        "NotARestateAppError",
        "Redact",
        "instrument",
        "redact_secrets",
    ]


def test_refuses_other_objects_than_a_restate_app(provider: TracerProvider) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    for other in (app, object(), None):
        with pytest.raises(NotARestateAppError, match=r"restate\.app"):
            on(other, provider)


def test_refuses_a_provider_that_cannot_process_spans(service: Any) -> None:
    with pytest.raises(TypeError, match="OpenTelemetry SDK"):
        on(restate.app([service]), trace.NoOpTracerProvider())


def test_second_call_has_no_effect(service: Any, provider: TracerProvider) -> None:
    app = on(restate.app([service]), provider)
    assert on(app, provider) is app
    on(restate.app([service]), provider)  # the same service in a second app
    (handler,) = service.handlers.values()
    assert [type(m) for m in handler.context_managers] == [AttemptScope]


def test_keeps_the_users_context_managers(provider: TracerProvider) -> None:
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def mine() -> AsyncGenerator[None]:
        yield

    service = restate.Service("Managed", invocation_context_managers=[mine])

    @service.handler()
    async def ask(ctx: restate.Context) -> None: ...

    on(restate.app([service]), provider)
    (handler,) = service.handlers.values()
    managers = handler.context_managers or []
    assert isinstance(managers[0], AttemptScope)
    assert managers[1:] == [mine]


def test_spans_outside_of_handlers_pass(
    service: Any, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    on(restate.app([service]), provider)
    with provider.get_tracer("t").start_as_current_span("elsewhere"):
        pass
    (span,) = exporter.get_finished_spans()
    assert span.name == "elsewhere"
    assert "restate.invocation.id" not in (span.attributes or {})


def test_processors_added_later_run_inside_the_bridge(
    service: Any, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    on(restate.app([service]), provider)
    later = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(later))
    provider.get_tracer("t").start_span("x").end()
    assert [s.name for s in later.get_finished_spans()] == ["x"]
    outer = provider._active_span_processor._span_processors
    assert len(outer) == 1


def test_redacts_before_export(
    service: Any, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    def redact(name: str, value: Any) -> Any:
        if name == "secret":
            return None
        if name == "broken":
            raise ValueError(value)
        return "***" if isinstance(value, str) and "key" in value else value

    instrument(
        restate.app([service]),
        tracer_provider=provider,
        instrument_pydantic_ai=False,
        redact=redact,
    )
    attributes = {"secret": "a", "broken": "b", "text": "my key", "number": 1}
    span = provider.get_tracer("t").start_span("x", attributes=attributes)
    span.record_exception(ValueError("the key"))
    span.set_status(trace.StatusCode.ERROR, "the key again")
    span.end()
    (exported,) = exporter.get_finished_spans()
    assert dict(exported.attributes or {}) == {
        "text": "***", "number": 1, "playhead.redacted": ("secret", "broken", "text"),
    }  # fmt: skip
    assert (exported.events[0].attributes or {})["exception.message"] == "***"
    assert exported.status.description == "***"


def test_this_sdk_has_what_the_bridge_needs() -> None:
    """Private parts of restate-sdk that the bridge uses exist; otherwise see compat.problems."""
    assert compat.problems() == []


def test_unknown_sdk_falls_back_with_one_warning(
    service: Any,
    provider: TracerProvider,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(VMWrapper, "sys_teleport", lambda self: None, raising=False)
    with caplog.at_level(logging.WARNING):
        on(restate.app([service]), provider)
    assert len(caplog.records) == 1
    assert "sys_teleport" in caplog.text
    (handler,) = service.handlers.values()
    assert handler.context_managers == [attach_parent]


def test_works_without_a_running_loop_and_serves_other_paths(
    service: Any, provider: TracerProvider
) -> None:
    app = on(restate.app([service]), provider)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    scope = {"type": "http", "path": "/health", "headers": [], "http_version": "1.1"}
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 200
