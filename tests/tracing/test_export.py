"""The queue of finished spans with a collector that is down, slow, or restarted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from playhead_tracing.export import SpanQueue
from tracing_otlp import Receiver
from waiting import until


class Target(SpanExporter):
    """Target that accepts spans while `up` is set."""

    def __init__(self) -> None:
        self.up = False
        self.names: list[str] = []
        self.calls = 0
        self.called = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.calls += 1
        self.called.set()
        if not self.up:
            return SpanExportResult.FAILURE
        self.names += [s.name for s in spans]
        return SpanExportResult.SUCCESS


def emit(queue: SpanQueue, count: int) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    tracer = provider.get_tracer("t")
    for i in range(count):
        tracer.start_span(f"s{i}").end()


def test_queue_keeps_spans_until_the_collector_is_back() -> None:
    target = Target()
    queue = SpanQueue(target, delay_seconds=0.01, batch_spans=4, first_wait_seconds=0.02)
    emit(queue, 10)
    until(lambda: target.calls >= 2)
    target.up = True
    until(lambda: len(target.names) == 10)
    assert target.names == [f"s{i}" for i in range(10)]
    assert queue.dropped == 0
    queue.shutdown()


def test_queue_is_limited_and_lost_spans_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    target = Target()
    queue = SpanQueue(
        target, delay_seconds=60, queue_spans=50, batch_spans=10, first_wait_seconds=60
    )
    with caplog.at_level(logging.WARNING):
        emit(queue, 10)
        until(lambda: target.calls == 1)  # ten wait in hand
        emit(queue, 200)
    assert queue.dropped == 150
    assert caplog.text.count("Spans are being dropped") == 1
    target.up = True
    queue.shutdown()
    assert len(target.names) == 60
    assert queue.dropped == 150


def test_shutdown_is_quick_without_a_collector() -> None:
    exporter = OTLPSpanExporter(endpoint="http://127.0.0.1:9/v1/traces")
    queue = SpanQueue(exporter, delay_seconds=0.01)
    emit(queue, 700)
    begin = time.monotonic()
    queue.shutdown()
    assert time.monotonic() - begin < 4
    assert queue.dropped == 700


def test_flush_sends_over_the_wire() -> None:
    with Receiver() as receiver:
        queue = SpanQueue(OTLPSpanExporter(endpoint=receiver.url), delay_seconds=60)
        emit(queue, 3)
        assert queue.force_flush()
        assert [r.name for r in receiver.rows] == ["s0", "s1", "s2"]
        receiver.refuse = True
        emit(queue, 1)
        assert not queue.force_flush(200)
        queue.shutdown()
