"""Logs and metrics are accepted, dropped and counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from playhead.record.recorder import Recorder, open_recorder
from playhead.settings import Settings

from helpers import FREE  # isort: skip
from otlp import client  # isort: skip

LOGS, METRICS = logs_service_pb2, metrics_service_pb2
REQUESTS: dict[str, Any] = {
    "logs": LOGS.ExportLogsServiceRequest(),
    "metrics": METRICS.ExportMetricsServiceRequest(),
}
REQUESTS["logs"].resource_logs.add().scope_logs.add().log_records.add(severity_text="INFO")
REQUESTS["metrics"].resource_metrics.add().scope_metrics.add().metrics.add(name="requests")
ANSWERS: dict[str, Any] = {
    "logs": LOGS.ExportLogsServiceResponse,
    "metrics": METRICS.ExportMetricsServiceResponse,
}


@pytest.mark.parametrize("signal", ["logs", "metrics"])
async def test_http(recorder: Recorder, signal: str) -> None:
    url = f"http://127.0.0.1:{recorder.endpoint.otlp_http_port}/v1/{signal}"
    body = REQUESTS[signal].SerializeToString()
    async with client() as http:
        sent = {"content-type": "application/x-protobuf"}
        response = await http.post(url, content=body, headers=sent)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/x-protobuf"
        assert not ANSWERS[signal].FromString(response.content).HasField("partial_success")
        response = await http.post(url, json={})
        assert (response.status_code, response.json()) == (200, {})
        large = b"x" * (FREE.body_limit + 1)
        assert (await http.post(url, content=large, headers=sent)).status_code == 413
    assert recorder.health()["dropped_requests"] == {signal: 2}
    assert recorder.health()["spans"] == recorder.health()["received_spans"] == 0


async def test_grpc(recorder: Recorder) -> None:
    target = f"127.0.0.1:{recorder.endpoint.otlp_grpc_port}"
    async with grpc.aio.insecure_channel(target) as channel:
        services: dict[str, Any] = {
            "logs": logs_service_pb2_grpc.LogsServiceStub(channel),
            "metrics": metrics_service_pb2_grpc.MetricsServiceStub(channel),
        }
        for signal, service in services.items():
            answer = await service.Export(REQUESTS[signal])
            assert not answer.HasField("partial_success")
    assert recorder.health()["dropped_requests"] == {"logs": 1, "metrics": 1}


async def test_they_need_the_token_too(settings: Settings) -> None:
    async with open_recorder(replace(settings, otlp_token="secret"), FREE) as recorder:
        async with client() as http:
            url = f"http://127.0.0.1:{recorder.endpoint.otlp_http_port}/v1/logs"
            assert (await http.post(url, json={})).status_code == 401
            headers = {"authorization": "Bearer secret"}
            assert (await http.post(url, json={}, headers=headers)).status_code == 200
        target = f"127.0.0.1:{recorder.endpoint.otlp_grpc_port}"
        async with grpc.aio.insecure_channel(target) as channel:
            service: Any = metrics_service_pb2_grpc.MetricsServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await service.Export(REQUESTS["metrics"])
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert recorder.health()["dropped_requests"] == {"logs": 1}
