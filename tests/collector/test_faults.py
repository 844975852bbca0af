"""What the Collector does when targets are down, requests are large, or spans are open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from collector_process import Recorder, Running, send
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SpanExportResult
from otlp_sink import Answer, OtlpSink, spans_of
from playhead.doctor.collector import METRICS_PORT
from playhead.doctor.collector import collector as doctor
from playhead.local import free_port
from target_programs import Jaeger
from waiting import until

pytestmark = pytest.mark.timeout(120, func_only=True)


@pytest.fixture
def jaeger(tmp_path: Path) -> Iterator[Jaeger]:
    target = Jaeger(tmp_path / "jaeger")
    try:
        yield target
    finally:
        target.child.stop()


async def test_large_spans_reach_a_grpc_target(
    running: Running, recorder: Recorder, jaeger: Jaeger
) -> None:
    jaeger.start()
    names = [f"span {n}" for n in range(2000)]
    env = {
        "PLAYHEAD_COLLECTOR_EXPORTERS": "[otlp_grpc/jaeger]",
        "JAEGER_OTLP_ENDPOINT": jaeger.grpc,
    }
    with running(env) as collector:
        with collector.http_exporter() as http:
            for start in range(0, 2000, 200):
                sent = send(http, names[start : start + 200], {"text": "x" * 10_000})
                assert sent is SpanExportResult.SUCCESS
            assert (
                send(http, ["one of 1 MB"], {"text": "y" * 1_000_000}) is SpanExportResult.SUCCESS
            )
            assert (
                send(http, ["one of 4 MB"], {"text": "z" * 3_600_000}) is SpanExportResult.SUCCESS
            )
        expected = sorted([*names, "one of 1 MB", "one of 4 MB"])
        await recorder.wait_for_names(expected)

        def sent_to_jaeger() -> float:
            return collector.counted("otelcol_exporter_sent_spans", "otlp_grpc/jaeger")

        until(lambda: sent_to_jaeger() == 2002, "Jaeger has accepted all spans", seconds=60)
        assert collector.counted("otelcol_exporter_send_failed_spans", "otlp_grpc/jaeger") == 0
        assert sorted(jaeger.operations()) == expected
        # The recorder has long values whole; for targets, they are cut to what gRPC takes.
        size = "length(attributes->>'$.text') AS size"
        assert await recorder.rows(size, "name = 'one of 4 MB'") == [{"size": 3_600_000}]


async def test_a_target_that_is_down_with_a_full_queue_hurts_no_other(
    running: Running, recorder: Recorder
) -> None:
    names = sorted(f"span {n:04}" for n in range(2000))
    env = {
        "PLAYHEAD_COLLECTOR_EXPORTERS": "[file/archive, otlp_grpc/jaeger]",
        "JAEGER_OTLP_ENDPOINT": f"127.0.0.1:{free_port()}",
        "PLAYHEAD_COLLECTOR_QUEUE_BYTES": "4000000",
    }
    with running(env) as collector:
        with collector.http_exporter() as http:
            for start in range(0, 2000, 50):
                sent = send(http, names[start : start + 50], {"text": "x" * 10_000})
                assert sent is SpanExportResult.SUCCESS
        await recorder.wait_for_names(names)
        until(lambda: len(collector.archived()) >= 2000, "the archive has all spans", seconds=60)
        assert sorted(span["name"] for span in collector.archived()) == names
        # What the target lost is counted.
        lost = collector.counted("otelcol_exporter_enqueue_failed_spans", "otlp_grpc/jaeger")
        assert 1000 < lost < 2000
        for well in ("otlp_http/recorder", "file/archive"):
            assert collector.counted("otelcol_exporter_enqueue_failed_spans", well) == 0


async def test_a_target_that_comes_back_gets_everything_once(
    running: Running, recorder: Recorder
) -> None:
    with OtlpSink(lambda request: Answer(503)) as sink:
        names = sorted(f"span {n:03}" for n in range(300))
        env = {
            "PLAYHEAD_COLLECTOR_EXPORTERS": "[otlp_http/phoenix]",
            "PHOENIX_COLLECTOR_ENDPOINT": sink.url,
            "PHOENIX_API_KEY": "the-key",
        }
        with running(env) as collector:
            with collector.http_exporter() as http:
                for start in range(0, 300, 50):
                    assert send(http, names[start : start + 50]) is SpanExportResult.SUCCESS
            await recorder.wait_for_names(names)
            until(lambda: len(sink.headers) > 1, "the Collector has tried again")
            assert sink.spans == []
            sink.answer = lambda request: Answer()
            until(lambda: len(sink.spans) >= 300, "all spans have arrived", seconds=60)
    assert sorted(span.name for span in sink.spans) == names
    assert {headers["authorization"] for headers in sink.headers} == {"Bearer the-key"}


async def test_a_refused_span_is_dropped_and_counted(running: Running, recorder: Recorder) -> None:
    def answer(request: ExportTraceServiceRequest) -> Answer:
        poison = any(span.name == "poison" for span in spans_of(request))
        return Answer(400 if poison else 200)

    with OtlpSink(answer) as sink:
        env = {
            "PLAYHEAD_COLLECTOR_EXPORTERS": "[otlp_http/phoenix]",
            "PHOENIX_COLLECTOR_ENDPOINT": sink.url,
        }
        with running(env) as collector:
            with collector.http_exporter() as http:
                assert send(http, ["poison"]) is SpanExportResult.SUCCESS
                until(lambda: len(sink.headers) == 1, "the span was refused")
                assert send(http, ["fine"]) is SpanExportResult.SUCCESS
                until(lambda: len(sink.spans) == 1, "the next one has arrived")
            await recorder.wait_for_names(["fine", "poison"])
            until(
                lambda: (
                    collector.counted("otelcol_exporter_send_failed_spans", "otlp_http/phoenix")
                    == 1
                ),
                "the refused span is counted",
            )
            [check] = await doctor({METRICS_PORT: str(collector.metrics_port)})
    assert len(sink.headers) == 2  # It was not sent again.
    assert check.problem == "collector-loses-spans"
    lost = "the Collector lost spans since its start"
    assert check.finding == f"{lost}: 1 for otlp_http/phoenix (it refuses the spans)"
    assert await doctor({METRICS_PORT: str(collector.metrics_port)}) == []  # It has stopped.


async def test_doctor_says_that_a_target_refuses_the_key(
    running: Running, recorder: Recorder
) -> None:
    with OtlpSink(lambda request: Answer(401)) as sink:
        env = {
            "PLAYHEAD_COLLECTOR_EXPORTERS": "[otlp_http/langfuse, otlp_http/phoenix]",
            "LANGFUSE_HOST": sink.url,
            "LANGFUSE_AUTH": "cGstbGYtcGxhbnRlZDpzay1sZi1wbGFudGVk",
            "PHOENIX_COLLECTOR_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        }
        with running(env, ["langfuse"]) as collector:
            with collector.http_exporter() as http:
                assert send(http, ["one", "two"]) is SpanExportResult.SUCCESS
            until(
                lambda: (
                    collector.counted("otelcol_exporter_send_failed_spans", "otlp_http/langfuse")
                    == 2
                ),
                "the refused spans are counted",
            )
            [check] = await doctor({METRICS_PORT: str(collector.metrics_port)})
    lost = "the Collector lost spans since its start"
    assert check.finding == f"{lost}: 2 for otlp_http/langfuse (it refuses the key)"
    assert sink.headers[0]["authorization"] == "Basic cGstbGYtcGxhbnRlZDpzay1sZi1wbGFudGVk"
    assert "cGstbGYtcGxhbnRlZDpzay1sZi1wbGFudGVk" not in collector.log.read_text()


async def test_open_spans_reach_the_recorder_only(running: Running, recorder: Recorder) -> None:
    with OtlpSink() as sink:
        env = {
            "PLAYHEAD_COLLECTOR_EXPORTERS": "[file/archive, otlp_http/phoenix]",
            "PHOENIX_COLLECTOR_ENDPOINT": sink.url,
        }
        with running(env) as collector:
            with collector.http_exporter() as http:
                assert send(http, ["open"], {"playhead.pending": True}) is SpanExportResult.SUCCESS
                assert send(http, ["finished"]) is SpanExportResult.SUCCESS
            await recorder.wait_for_names(["finished", "open"])
            until(lambda: sink.spans != [], "the target has a span")
            until(lambda: collector.archived() != [], "the archive has a span")
            [row] = await recorder.rows("end_unix_nano", "name = 'open'")
            [check] = await doctor({METRICS_PORT: str(collector.metrics_port)})
    assert row["end_unix_nano"] is None
    assert check.state == "passed"
    assert [span.name for span in sink.spans] == ["finished"]
    assert [span["name"] for span in collector.archived()] == ["finished"]
