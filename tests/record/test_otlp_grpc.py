from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from playhead.errors import PortInUseError
from playhead.record.ingest.queue import IngestLimits
from playhead.record.recorder import Recorder, open_recorder
from playhead.settings import Settings

from helpers import FREE  # isort: skip
from otlp import request, spans  # isort: skip


def stub(channel: Any) -> Any:
    return TraceServiceStub(channel)


async def test_the_real_exporter(recorder: Recorder) -> None:
    exporter = OTLPSpanExporter(
        f"http://127.0.0.1:{recorder.endpoint.otlp_grpc_port}",
        insecure=True,
        compression=grpc.Compression.Gzip,
    )
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))

    def work() -> None:
        tracer = provider.get_tracer("tests")
        for number in range(300):
            tracer.start_span(f"span {number}").end()
        provider.shutdown()

    await asyncio.to_thread(work)
    assert sorted([row["name"] for row in await spans(recorder)]) == sorted(
        f"span {n}" for n in range(300)
    )


async def test_rejected_spans_are_reported(recorder: Recorder) -> None:
    message = request(3)
    message.resource_spans[0].scope_spans[0].spans[1].span_id = b""
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{recorder.endpoint.otlp_grpc_port}"
    ) as channel:
        result = await stub(channel).Export(message)
        assert result.partial_success.rejected_spans == 1
        assert not (await stub(channel).Export(request(3))).HasField("partial_success")


async def test_malformed_and_too_large(recorder: Recorder) -> None:
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{recorder.endpoint.otlp_grpc_port}"
    ) as channel:
        raw = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.aio.AioRpcError) as malformed:
            await raw(b"\xff\xff\xff")
        assert malformed.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(b"\0" * (65 * 1024 * 1024))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await spans(recorder) == []
        await stub(channel).Export(request(3))
    assert len(await spans(recorder)) == 3


async def test_back_pressure_is_unavailable(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder.ingest, "_limits", IngestLimits(memory=10))
    recorder.ingest.reserve(1)
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{recorder.endpoint.otlp_grpc_port}"
    ) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(channel).Export(request(3))
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert await spans(recorder) == []


@pytest.mark.parametrize("name", ["otlp_grpc_port", "otlp_http_port", "api_port"])
async def test_a_taken_port_is_named(recorder: Recorder, tmp_path: Path, name: str) -> None:
    from dataclasses import replace

    taken = getattr(recorder.endpoint, name)
    with pytest.raises(PortInUseError, match=str(taken)) as caught:
        async with open_recorder(Settings(store=tmp_path / "b"), replace(FREE, **{name: taken})):
            pass
    assert f"--{name.replace('_', '-')}" in caught.value.hint
    assert f"PLAYHEAD_{name.upper()}" in caught.value.hint
    async with open_recorder(Settings(store=tmp_path / "b"), FREE):
        pass
