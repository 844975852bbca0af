"""The test bed of the truth cases: real restate-server, real agents, real OTLP receiver."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import restate
import waiting
from hypercorn.asyncio import serve
from hypercorn.config import Config
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from playhead.local import ManagedProcess, RestateServer, free_port, port_is_free
from tracing_agents import build
from tracing_otlp import Receiver, Row
from tracing_world import World
from waiting import until, until_stable

SERVER = "Restate"


class Serving:
    """An ASGI app under hypercorn (HTTP/2), in a thread."""

    def __init__(self, app: Any) -> None:
        self.port = free_port()
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        config = Config()
        config.bind = [f"127.0.0.1:{self.port}"]
        config.loglevel = "ERROR"
        config.graceful_timeout = 0.2
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(serve(self._app, config, shutdown_trigger=self._stop.wait))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def __enter__(self) -> Serving:
        self._thread.start()
        until(self._answers, "the service answers", seconds=10)
        return self

    def _answers(self) -> bool:
        try:
            httpx.get(f"{self.url}/health", timeout=1)
        except httpx.HTTPError:
            return False
        return True

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


def make_provider(otlp_url: str, name: str = "agents") -> TracerProvider:
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_url), schedule_delay_millis=50)
    )
    return provider


def switch_on(mode: str, app: Any, provider: TracerProvider) -> Any:
    """Return the app with "plain" tracing (no bridge), the "sdk" bridge, or "ours"."""
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
    from playhead_tracing import instrument
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from restate.ext.tracing import RestateTracerProvider

    used: Any = RestateTracerProvider(provider) if mode == "sdk" else provider
    OpenAIAgentsInstrumentor().instrument(tracer_provider=used)
    if mode == "ours":
        return instrument(app, tracer_provider=provider)
    Agent.instrument_all(InstrumentationSettings(tracer_provider=used))
    return app


class Bed:
    def __init__(
        self, server: RestateServer, receiver: Receiver, world: World, mode: str = "ours"
    ) -> None:
        self.server = server
        self.receiver = receiver
        self.world = world
        self.mode = mode
        self._client = httpx.Client(timeout=60)

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def process(
        self, server_name: str = "hypercorn", env: dict[str, str] | None = None
    ) -> Generator[tuple[Bed, ManagedProcess]]:
        """The same on another server, with the agents in a process that can be killed."""
        port, folder = free_port(), self.world.folder / f"process-{time.time_ns()}"
        child = ManagedProcess(
            "agents",
            [
                sys.executable,
                Path(__file__).with_name("tracing_service.py"),
                server_name,
                str(port),
                self.world.folder,
                self.receiver.url,
                self.mode,
            ],
            log=folder / "agents.log",
            env={"PYTHONPATH": str(Path(waiting.__file__).parent), **(env or {})},
        )
        tracing = f"otlp+{self.receiver.url}"
        with child, RestateServer(folder / "restate", tracing_endpoint=tracing) as server:
            child.wait_until(lambda: not port_is_free(port), seconds=60, what="it listened")
            server.register(f"http://127.0.0.1:{port}", use_http_11=server_name == "uvicorn")
            bed = Bed(server, self.receiver, self.world, self.mode)
            try:
                yield bed, child
            finally:
                bed.close()

    def start(self, target: str, body: Any, headers: dict[str, str] | None = None) -> str:
        """Send an invocation and return its id."""
        response = self._client.post(
            f"{self.server.ingress_url}/{target}/send", json=body, headers=headers
        )
        assert response.is_success, response.text
        return response.json()["invocationId"]

    def result(self, invocation_id: str) -> tuple[int, Any]:
        response = self._client.get(
            f"{self.server.ingress_url}/restate/invocation/{invocation_id}/attach"
        )
        return response.status_code, response.json() if response.content else None

    def call(self, target: str, body: Any) -> str:
        """Run an invocation to its end and return its id."""
        invocation_id = self.start(target, body)
        self.result(invocation_id)
        return invocation_id

    def call_and_approve(self, target: str, key: str) -> str:
        """Run an invocation that waits for an approval to its end, and return its id."""
        invocation_id = self.start(target, key)
        awakeable = self.world.published(key)
        self.until(invocation_id, "suspended")
        self.resolve(awakeable)
        self.result(invocation_id)
        return invocation_id

    def resolve(self, awakeable: str, value: Any = "yes") -> None:
        response = self._client.post(
            f"{self.server.ingress_url}/restate/awakeables/{awakeable}/resolve", json=value
        )
        assert response.is_success, response.text

    def cancel(self, invocation_id: str) -> None:
        response = self._client.patch(f"{self.server.admin_url}/invocations/{invocation_id}/cancel")
        assert response.is_success, response.text

    def sql(self, query: str) -> list[dict[str, Any]]:
        response = self._client.post(
            f"{self.server.admin_url}/query",
            json={"query": query},
            headers={"accept": "application/json"},
        )
        assert response.is_success, response.text
        return response.json()["rows"]

    def journal(self, invocation_id: str) -> list[dict[str, Any]]:
        return self.sql(
            "SELECT index, entry_type, name, entry_json FROM sys_journal "
            f"WHERE id = '{invocation_id}' ORDER BY index"
        )

    def status(self, invocation_id: str) -> str:
        rows = self.sql(f"SELECT status FROM sys_invocation WHERE id = '{invocation_id}'")
        return rows[0]["status"] if rows else "gone"

    def until(self, invocation_id: str, status: str, seconds: float = 60) -> None:
        until(
            lambda: self.status(invocation_id) == status,
            f"{invocation_id} is {status}",
            seconds=seconds,
        )

    def trace(self, invocation_id: str) -> list[Row]:
        """Return all spans of an invocation's trace when the last has arrived."""
        return self.traces([invocation_id])[0]

    def traces(self, invocation_ids: Iterable[str]) -> list[list[Row]]:
        """Return all spans of each invocation's trace when the last of all have arrived."""

        def ended(invocation_id: str, rows: list[Row]) -> str | None:
            return next(
                (
                    r.trace_id
                    for r in rows
                    if r.name.startswith("invocation-end")
                    and r.attributes.get("restate.invocation.id") == invocation_id
                ),
                None,
            )

        trace_ids = [
            self.receiver.wait(partial(ended, id_), what=f"the end of {id_}")
            for id_ in invocation_ids
        ]
        settled = self.settled()
        return [[r for r in settled if r.trace_id == trace_id] for trace_id in trace_ids]

    def settled(self, quiet: float = 0.4) -> list[Row]:
        """Return all spans after a quiet time (they are sent every 0.05 and 0.2 s)."""
        until_stable(lambda: len(self.receiver.rows), "no more spans arrive", quiet=quiet)
        return list(self.receiver.rows)


def make_app(world: World, model_url: str | None = None) -> Any:
    return restate.app(build(world, model_url))


def set_global(provider: TracerProvider) -> None:
    trace.set_tracer_provider(provider)
