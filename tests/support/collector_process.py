"""A Collector with otel-collector.yaml, a recorder, and spans to send."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from playhead.local import ManagedProcess, free_port
from playhead.record.client import connect
from playhead.record.process import start_recorder
from playhead.settings import Settings
from target_programs import answers
from waiting import until_async

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "otel-collector.yaml"
WAIT_SECONDS = 30.0


def send(
    exporter: SpanExporter, names: list[str], attributes: Mapping[str, Any] | None = None
) -> SpanExportResult:
    """Send finished spans with these names in one request."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("collector-test")
    for name in names:
        tracer.start_span(name, attributes=attributes or {"text": "héllo [red]"}).end()
    return exporter.export(memory.get_finished_spans())


class Running(Protocol):
    """Runs a Collector for a block."""

    def __call__(
        self, env: Mapping[str, str], keyed_targets: Sequence[str] = ()
    ) -> AbstractContextManager[Collector]:
        """Start it with these variables, and files of targets."""
        ...


class Recorder:
    """A `playhead record` process without a Restate server."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            store=folder / "store",
            otlp_grpc_port=free_port(),
            otlp_http_port=free_port(),
            api_port=free_port(),
        )
        self.child: ManagedProcess | None = None
        self.log = folder / "recorder.log"

    def start(self) -> None:
        self.child = start_recorder(self.settings, self.log, journals=False)

    def stop(self) -> None:
        if self.child:
            self.child.stop()

    async def rows(self, columns: str, condition: str = "true") -> list[dict[str, Any]]:
        """Return columns of the stored spans."""
        client = await connect(self.settings)
        assert client is not None
        try:
            return await client.rows(f"SELECT {columns} FROM spans WHERE {condition} ORDER BY name")
        finally:
            await client.close()

    async def names(self) -> list[str]:
        return [row["name"] for row in await self.rows("name")]

    async def wait_for_names(self, expected: list[str]) -> None:
        async def complete() -> bool:
            return await self.names() == expected

        await until_async(complete, f"the store has {len(expected)} spans", seconds=WAIT_SECONDS)


class Collector:
    """The Collector with otel-collector.yaml on free ports."""

    def __init__(
        self, binary: Path, folder: Path, env: dict[str, str], keyed_targets: Sequence[str] = ()
    ) -> None:
        configs = [CONFIG, *(ROOT / "otel-collector" / f"{name}.yaml" for name in keyed_targets)]
        self.log = folder / "collector.log"
        self.grpc_port, self.http_port, health = free_port(), free_port(), free_port()
        self.metrics_port = free_port()
        self.health_url = f"http://127.0.0.1:{health}/"
        self.data = folder / "collector"
        self.child = ManagedProcess(
            "collector",
            [binary, *(f"--config={path}" for path in configs)],
            log=self.log,
            env={
                "PLAYHEAD_COLLECTOR_GRPC_PORT": str(self.grpc_port),
                "PLAYHEAD_COLLECTOR_HTTP_PORT": str(self.http_port),
                "PLAYHEAD_COLLECTOR_HEALTH_PORT": str(health),
                "PLAYHEAD_COLLECTOR_METRICS_PORT": str(self.metrics_port),
                "PLAYHEAD_COLLECTOR_DIR": str(self.data),
                **env,
            },
        )

    def start(self) -> None:
        self.child.start()
        self.child.wait_until(answers(self.health_url), seconds=WAIT_SECONDS, what="it was healthy")

    @contextmanager
    def http_exporter(self) -> Generator[HttpExporter]:
        exporter = HttpExporter(
            # The Collector looks for secrets in each byte, which takes seconds for some megabytes.
            endpoint=f"http://127.0.0.1:{self.http_port}/v1/traces",
            timeout=60,
        )
        yield exporter
        exporter.shutdown()

    @contextmanager
    def grpc_exporter(self) -> Generator[GrpcExporter]:
        exporter = GrpcExporter(endpoint=f"http://127.0.0.1:{self.grpc_port}", insecure=True)
        yield exporter
        exporter.shutdown()

    def archived(self) -> list[dict[str, Any]]:
        """Return the spans in the archive."""
        file = self.data / "traces.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [
            {**span, "resource": resource.get("resource", {})}
            for line in lines
            for resource in json.loads(line)["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    def counted(self, name: str, exporter: str) -> float:
        """Return a counter of the Collector's own metrics for one exporter."""
        text = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith(name) and f'exporter="{exporter}"' in line
        )
