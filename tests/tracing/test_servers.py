"""The bridge with other servers, providers and settings than those of the truth cases."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import restate
import uvicorn
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from playhead.local import RestateServer, free_port
from playhead_tracing import instrument
from pydantic_ai import Agent
from pydantic_ai.models.instrumented import InstrumentationSettings
from test_truth import check
from tracing_agents import build
from tracing_bed import SERVER, Bed, Serving
from tracing_cases import happy, nested, step_fails
from tracing_outcome import LOOK
from waiting import until, until_stable


class Uvicorn:
    """An app under uvicorn: HTTP/1.1, so that every step ends the attempt."""

    def __init__(self, app: Any) -> None:
        self.port = free_port()
        config = uvicorn.Config(app, port=self.port, log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        until(lambda: self._server.started, "the server has started", seconds=10)
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *exc: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(memory: InMemorySpanExporter) -> Iterator[TracerProvider]:
    """A provider that receives Pydantic AI's spans for one test."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    before = Agent._instrument_default
    Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    yield provider
    Agent.instrument_all(before)


def names(memory: InMemorySpanExporter) -> Counter[str]:
    return Counter(s.name for s in memory.get_finished_spans())


def until_still(memory: InMemorySpanExporter) -> None:
    until_stable(lambda: len(memory.get_finished_spans()), "no more spans end", quiet=0.3)


@pytest.fixture
def traced(bed: Bed, tmp_path: Path) -> Iterator[Bed]:
    """A server for one test that sends its spans to the same receiver."""
    tracing = f"otlp+{bed.receiver.url}"
    with RestateServer(tmp_path / "restate", tracing_endpoint=tracing) as server:
        own = Bed(server, bed.receiver, bed.world)
        yield own
        own.close()


def test_uvicorn_and_fastapi(bed: Bed, traced: Bed) -> None:
    """Over HTTP/1.1, a step's result arrives in the next attempt, and the step has one span."""
    from opentelemetry import trace

    app = FastAPI()
    inner = instrument(restate.app(build(bed.world)), tracer_provider=trace.get_tracer_provider())
    app.mount("/restate/v1", inner)
    with Uvicorn(app) as url:
        traced.server.register(f"{url}/restate/v1", use_http_11=True)
        for case in (happy, step_fails):
            expected = case(traced, f"uvicorn-{case.__name__}")
            # FastAPI adds a span for every request.
            rows = [r for r in traced.trace(expected.invocation_id) if r.scope != "fastapi"]
            check(traced, expected, rows, attempts=False)
            tools = [r for r in rows if r.name == "execute_tool look"]
            assert len(tools) == expected.spans["execute_tool look"]
            assert not [
                r
                for r in rows
                if r.attributes.get("playhead.interrupted")
                and r.name.startswith(("chat", "execute_tool"))
                and not r.error
            ]


def test_without_server_tracing(
    bed: Bed,
    restate: RestateServer,
    provider: TracerProvider,
    memory: InMemorySpanExporter,
) -> None:
    """One derived trace for each invocation, with the agents as roots."""
    import restate as sdk

    app = instrument(sdk.app(build(bed.world)), tracer_provider=provider)
    with Serving(app) as serving:
        restate.register(serving.url)
        own = Bed(restate, bed.receiver, bed.world)
        expected = step_fails(own, "untraced")
        until_still(memory)
        own.close()
    assert names(memory) == expected.spans
    spans = memory.get_finished_spans()
    assert len({s.context.trace_id for s in spans}) == 1
    ids = {s.context.span_id for s in spans}
    for span in spans:
        if span.name.startswith("invoke_agent"):
            assert span.parent is None
        else:
            assert span.parent.span_id in ids
    assert len({str((s.attributes or {})["playhead.attempt.span_id"]) for s in spans}) == 3


def test_unsampled_parent(
    bed: Bed, traced: Bed, provider: TracerProvider, memory: InMemorySpanExporter
) -> None:
    inner = instrument(restate.app(build(bed.world)), tracer_provider=provider)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Call the app as a server that does not sample the trace."""
        if "headers" in scope:
            headers = [
                (k, v[:-2] + b"00" if k == b"traceparent" else v) for k, v in scope["headers"]
            ]
            scope = {**scope, "headers": headers}
        await inner(scope, receive, send)

    with Serving(app) as serving:
        traced.server.register(serving.url)
        bed.world.plan("unsampled", [LOOK, "done"])
        invocation = traced.start("Agents/ask", "unsampled")
        assert traced.result(invocation) == (200, "done")
    assert names(memory) == {}


def test_provider_that_samples_nothing_of_its_own(
    bed: Bed, restate: RestateServer, memory: InMemorySpanExporter
) -> None:
    """Without server tracing the provider's sampler decides for the whole invocation."""
    import restate as sdk

    provider = TracerProvider(sampler=ParentBased(ALWAYS_OFF), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    before = Agent._instrument_default
    Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    app = instrument(sdk.app(build(bed.world)), tracer_provider=provider)
    with Serving(app) as serving:
        restate.register(serving.url, force=True)
        own = Bed(restate, bed.receiver, bed.world)
        happy(own, "sampled-out")
        own.close()
    Agent.instrument_all(before)
    assert names(memory) == {}


def test_logfire(bed: Bed, traced: Bed, memory: InMemorySpanExporter) -> None:
    """Logfire's provider gets no pending span of replayed work."""
    import logfire

    instance = logfire.configure(
        local=True,
        send_to_logfire=False,
        console=False,
        additional_span_processors=[SimpleSpanProcessor(memory)],
    )
    before = Agent._instrument_default
    instance.instrument_pydantic_ai()
    inner = instance.config.get_tracer_provider()
    app = instrument(restate.app(build(bed.world)), tracer_provider=inner)
    with Serving(app) as serving:
        traced.server.register(serving.url)
        expected = nested(traced, "logfire-nested")
        again = step_fails(traced, "logfire-fails")
        until_still(memory)
    Agent.instrument_all(before)
    instance.shutdown(flush=False)
    assert names(memory) == expected.spans + again.spans
    traces = {s.context.trace_id for s in memory.get_finished_spans()}
    server = {int(r.trace_id, 16) for r in bed.receiver.rows if r.service == SERVER}
    assert traces <= server
