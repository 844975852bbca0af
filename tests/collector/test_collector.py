"""Run otel-collector.yaml in a real Collector, with real exporters and recorders."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from playhead.local import ManagedProcess, free_port
from playhead.record.client import connect
from playhead.record.process import start_recorder
from playhead.settings import Settings
from waiting import until, until_async

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "otel-collector.yaml"
WAIT_SECONDS = 30.0

pytestmark = pytest.mark.timeout(120, func_only=True)
"""Time limit without the build of the Collector, which takes minutes with empty caches."""


def answers(url: str) -> Callable[[], bool]:
    def check() -> bool:
        try:
            return httpx.get(url, timeout=1).is_success
        except httpx.HTTPError:
            return False

    return check


def send(exporter: SpanExporter, names: list[str]) -> SpanExportResult:
    """Send finished spans with these names in one request."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("collector-test")
    for name in names:
        tracer.start_span(name, attributes={"secret": "héllo [red]"}).end()
    return exporter.export(memory.get_finished_spans())


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

    async def names(self) -> list[str]:
        client = await connect(self.settings)
        assert client is not None
        try:
            rows = await client.rows("SELECT name FROM spans ORDER BY name")
        finally:
            await client.close()
        return [row["name"] for row in rows]

    async def wait_for_names(self, expected: list[str]) -> None:
        async def complete() -> bool:
            return await self.names() == expected

        await until_async(complete, f"the store has {len(expected)} spans", seconds=WAIT_SECONDS)


class Collector:
    """The Collector with otel-collector.yaml on free ports."""

    def __init__(self, binary: Path, folder: Path, env: dict[str, str]) -> None:
        self.grpc_port, self.http_port, health = free_port(), free_port(), free_port()
        self.health_url = f"http://127.0.0.1:{health}/"
        self.data = folder / "collector"
        self.child = ManagedProcess(
            "collector",
            [binary, "--config", CONFIG],
            log=folder / "collector.log",
            env={
                "PLAYHEAD_COLLECTOR_GRPC_PORT": str(self.grpc_port),
                "PLAYHEAD_COLLECTOR_HTTP_PORT": str(self.http_port),
                "PLAYHEAD_COLLECTOR_HEALTH_PORT": str(health),
                "PLAYHEAD_COLLECTOR_DIR": str(self.data),
                **env,
            },
        )

    def start(self) -> None:
        self.child.start()
        self.child.wait_until(answers(self.health_url), seconds=WAIT_SECONDS, what="it was healthy")

    @contextmanager
    def http_exporter(self) -> Generator[HttpExporter]:
        exporter = HttpExporter(endpoint=f"http://127.0.0.1:{self.http_port}/v1/traces")
        yield exporter
        exporter.shutdown()

    @contextmanager
    def grpc_exporter(self) -> Generator[GrpcExporter]:
        exporter = GrpcExporter(endpoint=f"http://127.0.0.1:{self.grpc_port}", insecure=True)
        yield exporter
        exporter.shutdown()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "first")
    yield recorder
    recorder.stop()


async def test_spans_reach_recorder_and_archive(
    collector_binary: Path, recorder: Recorder, tmp_path: Path
) -> None:
    recorder.start()
    endpoint = f"http://127.0.0.1:{recorder.settings.otlp_http_port}"
    collector = Collector(collector_binary, tmp_path, {"PLAYHEAD_RECORDER_ENDPOINT": endpoint})
    try:
        collector.start()
        with collector.http_exporter() as http, collector.grpc_exporter() as grpc:
            assert send(http, ["over http"]) is SpanExportResult.SUCCESS
            assert send(grpc, ["over grpc"]) is SpanExportResult.SUCCESS
        await recorder.wait_for_names(["over grpc", "over http"])

        def archived() -> list[str]:
            file = collector.data / "traces.jsonl"
            lines = file.read_text().splitlines() if file.exists() else []
            spans = [
                span
                for line in lines
                for resource in json.loads(line)["resourceSpans"]
                for scope in resource["scopeSpans"]
                for span in scope["spans"]
            ]
            return sorted(span["name"] for span in spans)

        until(lambda: archived() == ["over grpc", "over http"], "the archive has both spans")
    finally:
        collector.child.stop()


async def test_killed_collector_keeps_all_acknowledged_spans(
    collector_binary: Path, recorder: Recorder, tmp_path: Path
) -> None:
    endpoint = f"http://127.0.0.1:{recorder.settings.otlp_http_port}"
    collector = Collector(collector_binary, tmp_path, {"PLAYHEAD_RECORDER_ENDPOINT": endpoint})
    names = sorted(f"span {n}" for n in range(300))
    try:
        collector.start()
        with collector.http_exporter() as http:
            for start in range(0, len(names), 50):
                assert send(http, names[start : start + 50]) is SpanExportResult.SUCCESS
        collector.child.kill()
        recorder.start()
        collector.start()
        await recorder.wait_for_names(names)
    finally:
        collector.child.stop()


async def test_variable_enables_additional_targets(
    collector_binary: Path, recorder: Recorder, tmp_path: Path
) -> None:
    # A second recorder replaces Jaeger: both accept OTLP over gRPC.
    recorder.start()
    jaeger = Recorder(tmp_path / "second")
    collector = Collector(
        collector_binary,
        tmp_path,
        {
            "PLAYHEAD_RECORDER_ENDPOINT": f"http://127.0.0.1:{recorder.settings.otlp_http_port}",
            "JAEGER_OTLP_ENDPOINT": f"127.0.0.1:{jaeger.settings.otlp_grpc_port}",
            "PLAYHEAD_COLLECTOR_EXPORTERS": "[otlp_http/recorder, otlp_grpc/jaeger]",
        },
    )
    try:
        jaeger.start()
        collector.start()
        with collector.http_exporter() as http:
            assert send(http, ["to both"]) is SpanExportResult.SUCCESS
        await recorder.wait_for_names(["to both"])
        await jaeger.wait_for_names(["to both"])
        assert not (collector.data / "traces.jsonl").exists()
    finally:
        collector.child.stop()
        jaeger.stop()
