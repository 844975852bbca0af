"""What an OTLP target refuses, and when it wants it later: reported, and nothing is lost."""

from __future__ import annotations

import json
import time

import pytest
from exported_rows import Run, Write
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_sink import Answer, OtlpSink, partial, spans_of
from playhead.store.span_writer import SpanRow

TRACES = ("export", "traces")


def test_retry_after_is_honored(write: Write, hundred: list[SpanRow], run: Run) -> None:
    times: list[float] = []

    def answer(request: ExportTraceServiceRequest) -> Answer:
        times.append(time.monotonic())
        return Answer() if len(times) > 1 else Answer(429, headers={"retry-after": "2"})

    with OtlpSink(answer) as sink:
        result = run(*TRACES, "--to", "otlp", "--endpoint", sink.url)
        assert result.exit_code == 0
        assert "trying again in 2 s" in result.stderr
        assert times[1] - times[0] >= 2
        # A pause beyond --retry-for is not begun.
        sink.answer = lambda request: Answer(429, headers={"retry-after": "3600"})
        refused = run(*TRACES, "--to", "otlp", "--endpoint", sink.url, "--again")
    assert refused.exit_code == 3
    assert "it asks to wait 3600 s" in refused.stderr


def test_rejected_spans_are_reported_with_the_reason(
    write: Write, hundred: list[SpanRow], run: Run
) -> None:
    with OtlpSink(lambda request: partial(7, "too \x1b[31mmany attributes")) as sink:
        result = run(*TRACES, "--to", "otlp", "--endpoint", sink.url)
    assert result.exit_code == 1
    assert "Sent 93 spans" in result.stdout
    assert "7 were rejected: too many attributes" in result.stdout


def test_one_span_that_is_refused_does_not_stop_the_others(
    write: Write, hundred: list[SpanRow], run: Run
) -> None:
    problem = Status(code=3, message="span 42 is invalid").SerializeToString()

    def answer(request: ExportTraceServiceRequest) -> Answer:
        if any(span.name == "span 42" for span in spans_of(request)):
            return Answer(400, problem, {"content-type": "application/x-protobuf"})
        return Answer()

    with OtlpSink(answer) as sink:
        result = run(*TRACES, "--to", "otlp", "--endpoint", sink.url, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (document["accepted"], document["rejected"]) == (99, 1)
    assert document["reasons"] == [{"reason": "400 Bad Request: span 42 is invalid", "spans": 1}]
    assert len({span.span_id for span in sink.spans}) == 99 == len(sink.spans)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/plain"])
def test_a_web_page_has_not_accepted_anything(
    write: Write, hundred: list[SpanRow], run: Run, kind: str
) -> None:
    # Jaeger's web server answers every path with its page, and 200.
    page = Answer(body=b"\n<!DOCTYPE html><html></html>", headers={"content-type": kind})
    with OtlpSink(lambda request: page) as sink:
        arguments = (*TRACES, "--to", "jaeger", "--endpoint", sink.url)
        result = run(*arguments)
        assert result.exit_code == 3
        assert "answers with a web page: no spans were accepted" in result.stderr
        assert "Check --endpoint" in result.stderr
        sink.answer = lambda request: Answer()
        assert "Sent 100 spans" in run(*arguments).stdout


def test_a_rejection_that_looks_like_the_start_of_a_page(
    write: Write, hundred: list[SpanRow], run: Run
) -> None:
    answer = partial(100, "x" * 56)
    assert answer.body[:2] == b"\n<"
    with OtlpSink(lambda request: answer) as sink:
        result = run(*TRACES, "--to", "otlp", "--endpoint", sink.url)
    assert f"100 were rejected: {'x' * 56}" in result.stdout
