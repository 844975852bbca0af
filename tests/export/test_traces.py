"""Spans of a store at an OTLP target: complete, once, and with what was refused."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
from exported_rows import Run, Write, recording, rich_rows, row
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_sink import Answer, OtlpSink, spans_of
from playhead.export.delivery import Delivery
from playhead.export.report import Report
from playhead.export.sent_spans import SentSpans
from playhead.export.stored_spans import SpanReader, span_key
from playhead.export.targets import find_target
from playhead.export.traces import send_traces
from playhead.record.client import connect
from playhead.settings import Settings
from playhead.store.database import Store
from playhead.store.span_writer import SpanRow
from running_processes import processes_below
from waiting import until_async

TRACES = ("export", "traces")


def stored(folder: Path) -> list[Any]:
    connection = duckdb.connect(str(folder / "playhead.duckdb"), read_only=True)
    try:
        return connection.execute("SELECT * FROM spans ORDER BY trace_id, span_id").fetchall()
    finally:
        connection.close()


def comparable(rows: list[Any]) -> list[Any]:
    """Return rows with parsed JSON columns, where only the order of names may differ."""
    return [(*row[:11], *map(json.loads, row[11:15])) for row in rows]


def test_a_second_recorder_gets_equal_spans(
    write: Write, run: Run, store: Path, tmp_path: Path
) -> None:
    write([*rich_rows(), row(50, end=None)])
    other = tmp_path / "other"
    with recording(other) as url:
        result = run(*TRACES, "--to", "otlp", "--endpoint", url)
    assert result.exit_code == 0, result.output
    assert "Sent 4 spans" in result.stdout
    assert "1 is still open: not sent" in result.stdout
    finished = [r for r in stored(store) if r[8] is not None]
    assert comparable(stored(other)) == comparable(finished)


def test_a_running_recorder_is_asked(
    write: Write, hundred: list[SpanRow], run: Run, store: Path
) -> None:
    with OtlpSink() as sink, recording(store) as itself:
        result = run(*TRACES, "--to", "otlp", "--endpoint", sink.url, "--json")
        refused = run(*TRACES, "--to", "otlp", "--endpoint", itself)
    document = json.loads(result.stdout)
    assert (document["accepted"], document["open"]) == (100, 3)
    assert len({span.span_id for span in sink.spans}) == 100 == len(sink.spans)
    assert refused.exit_code == 2
    assert "is the recorder of this store" in refused.stderr


def test_later_exports_send_only_what_is_new(
    write: Write, hundred: list[SpanRow], run: Run
) -> None:
    arguments = (*TRACES, "--to", "otlp", "--endpoint")
    with OtlpSink() as sink, OtlpSink() as other:
        assert run(*arguments, sink.url).exit_code == 0
        # One of the open spans ends, and a late span of an old time arrives.
        write([row(100, trace=0), row(500, trace=3, start=1)])
        again = run(*arguments, sink.url)
        assert "Sent 2 spans" in again.stdout
        assert "100 were there before" in again.stdout
        assert len({span.span_id for span in sink.spans}) == 102 == len(sink.spans)
        # Another target has a state of its own, and --again forgets that of one.
        assert "Sent 102 spans" in run(*arguments, other.url).stdout
        assert "Sent 102 spans" in run(*arguments, sink.url, "--again").stdout


def test_each_project_of_a_target_gets_all_spans(
    write: Write, hundred: list[SpanRow], run: Run, store: Path
) -> None:
    with OtlpSink() as sink:
        phoenix = (*TRACES, "--to", "phoenix", "--endpoint", sink.url)
        langfuse = (*TRACES, "--to", "langfuse", "--endpoint", sink.url)
        secret = {"LANGFUSE_SECRET_KEY": "sk-planted"}
        for arguments, keys in (
            (phoenix, {}),
            ((*phoenix, "--header", "x-project-name=agents"), {}),
            (langfuse, {"LANGFUSE_PUBLIC_KEY": "pk-1", **secret}),
            (langfuse, {"LANGFUSE_PUBLIC_KEY": "pk-2", **secret}),
        ):
            assert "Sent 100 spans" in run(*arguments, **keys).stdout
            # A new key is not a new project.
            renewed = {**keys, "PHOENIX_API_KEY": "px-2", "LANGFUSE_SECRET_KEY": "sk-2"}
            again = run(*arguments, **renewed)
            assert "Sent 0 spans" in again.stdout
            assert "100 were there before: not sent again. --again sends them." in again.stdout
    assert len(list((store / "exports").iterdir())) == 4


def test_interrupted_export_continues(write: Write, run: Run, store: Path, tmp_path: Path) -> None:
    # 40 requests of about 1 MB, of which the target takes ten before it goes away.
    write([row(n, trace=n, attributes={"text": "x" * 900_000}) for n in range(40)])
    taken: list[int] = []

    def answer(request: ExportTraceServiceRequest) -> Answer:
        taken.append(len(spans_of(request)))
        return Answer() if len(taken) <= 10 else Answer(503)

    with OtlpSink(answer) as sink:
        arguments = (*TRACES, "--to", "otlp", "--endpoint", sink.url)
        failed = run(*arguments, "--retry-for", "0")
        assert failed.exit_code == 3
        assert "503" in failed.stderr
        assert "10 spans were accepted before." in failed.stderr
        assert max(sink.sizes) < 1_100_000
        sink.answer = lambda request: Answer()
        done = run(*arguments)
    assert "Sent 30 spans" in done.stdout
    assert len({span.span_id for span in sink.spans}) == 40 == len(sink.spans)


async def test_an_interrupted_export_keeps_the_answers_that_are_on_their_way(
    write: Write, store: Path
) -> None:
    write([row(n, trace=n, attributes={"text": "x" * 900_000}) for n in range(9)])
    release = threading.Event()

    def answer(request: ExportTraceServiceRequest) -> Answer:
        arrived.append(request)
        release.wait(30)
        # One of the requests would be repeated for five minutes.
        return Answer(503) if request is arrived[0] else Answer()

    arrived: list[ExportTraceServiceRequest] = []
    with OtlpSink(answer) as sink:
        target = find_target("otlp", sink.url, {}, {})
        client = await connect(Settings(store=store))
        assert client is not None
        reader = SpanReader(client)
        report = Report(await reader.totals())
        with SentSpans(store, "otlp", target.identity) as sent:
            async with Delivery(target) as delivery:
                export = asyncio.create_task(
                    send_traces(reader, delivery, sent, target.kind, report)
                )
                await until_async(lambda: len(arrived) == 3, "three requests are sent")
                export.cancel()
                release.set()
                with pytest.raises(asyncio.CancelledError):
                    await export
        await client.close()
        assert len(arrived) == 3
    assert report.accepted == 2
    with SentSpans(store, "otlp", target.identity) as again:
        assert len(again.known(span_keys(sink.requests))) == 2


def span_keys(requests: list[ExportTraceServiceRequest]) -> list[int]:
    """Return the keys by which an export knows spans."""
    return [
        span_key(span.trace_id.hex(), span.span_id.hex())
        for request in requests
        for span in spans_of(request)
    ]


def test_accepted_parts_of_a_divided_request_are_not_sent_again(
    write: Write, hundred: list[SpanRow], run: Run
) -> None:
    def answer(request: ExportTraceServiceRequest) -> Answer:
        if len(sink.headers) == 3:
            return Answer(503)
        return Answer(400) if len(spans_of(request)) > 60 else Answer()

    with OtlpSink(answer) as sink:
        arguments = (*TRACES, "--to", "otlp", "--endpoint", sink.url)
        failed = run(*arguments, "--retry-for", "0")
        assert failed.exit_code == 3
        assert "50 spans were accepted before." in failed.stderr
        assert "Sent 50 spans" in run(*arguments).stdout
    assert len({span.span_id for span in sink.spans}) == 100 == len(sink.spans)


def test_secrets_are_sent_and_never_shown(
    write: Write, hundred: list[SpanRow], run: Run, store: Path
) -> None:
    def answer(request: ExportTraceServiceRequest) -> Answer:
        echoed = "wrong key top-secret for pass-word"
        return Answer(401, echoed.encode(), {"content-type": "text/plain"})

    with OtlpSink(answer) as sink:
        url = sink.url.replace("http://", "http://user:pass-word@")
        headers = {"PLAYHEAD_EXPORT_HEADERS": "authorization=Bearer%20top-secret,x-team=one"}
        result = run(
            *TRACES, "--to", "otlp", "--endpoint", url, "--header", "X-Team=two", **headers
        )
    assert result.exit_code == 3
    assert "401 Unauthorized: wrong key … for …" in result.stderr
    assert sink.headers[0]["authorization"] == "Bearer top-secret"
    assert sink.headers[0]["x-team"] == "two"
    assert "top-secret" not in result.output
    assert "pass-word" not in result.output
    kept = [file for file in store.rglob("*") if file.is_file()]
    assert not any(b"top-secret" in f.read_bytes() or "pass" in f.name for f in kept)
    assert all(file.stat().st_mode & 0o077 == 0 for file in kept if file.suffix == ".sent")


def test_secrets_leave_the_process_list(write: Write, hundred: list[SpanRow], store: Path) -> None:
    """The target reads the command line of the process that sends the spans."""
    lines: list[str] = []

    def answer(request: ExportTraceServiceRequest) -> Answer:
        lines.extend(" ".join(seen.command) for seen in processes_below())
        return Answer()

    with OtlpSink(answer) as sink:
        url = sink.url.replace("http://", "http://user:pass-word@")
        options = ["--header", "X-Key=top-secret", "--header=X-Team=a-secret", "--endpoint", url]
        command = [sys.executable, "-m", "playhead", "--store", str(store), *TRACES]
        subprocess.run([*command, "--to", "otlp", *options], check=True, capture_output=True)
    [line] = {line for line in lines if str(store) in line}
    assert sink.headers[0]["x-key"] == "top-secret"
    assert sink.headers[0]["x-team"] == "a-secret"
    assert "X-Key=… --header=X-Team=… " in line
    assert "top-secret" not in line
    assert "a-secret" not in line
    assert "pass-word" not in line


def test_targets_get_their_own_headers_and_paths(
    write: Write, hundred: list[SpanRow], run: Run
) -> None:
    with OtlpSink() as sink:
        keys = {
            "LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk",
            "DD_API_KEY": "dd", "PHOENIX_API_KEY": "px",
        }  # fmt: skip
        for name in ("langfuse", "phoenix", "datadog", "jaeger"):
            assert run(*TRACES, "--to", name, "--endpoint", sink.url, **keys).exit_code == 0
    names = ("langfuse", "phoenix", "datadog", "jaeger")
    found = dict(zip(names, sink.headers, strict=True))
    assert found["langfuse"]["authorization"] == "Basic cGs6c2s="
    assert found["langfuse"]["x-langfuse-ingestion-version"] == "4"
    assert found["phoenix"]["authorization"] == "Bearer px"
    assert found["datadog"]["dd-api-key"] == "dd"
    assert "authorization" not in found["jaeger"]
    assert sink.paths == ["/api/public/otel/v1/traces", *["/v1/traces"] * 3]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("langfuse", "LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY are not set"),
        ("logfire", "LOGFIRE_TOKEN is not set"),
        ("datadog", "DD_API_KEY is not set"),
    ],
)
def test_a_missing_key_is_refused_before_sending(
    write: Write, hundred: list[SpanRow], run: Run, name: str, message: str
) -> None:
    with OtlpSink() as sink:
        result = run(*TRACES, "--to", name, "--endpoint", sink.url)
        assert sink.headers == []
    assert result.exit_code == 2
    assert message in result.stderr


def test_logfire_gets_no_spans_that_it_would_refuse(write: Write, run: Run) -> None:
    now = time.time_ns()
    write([row(1, start=now - 25 * 3600 * 10**9), row(2, start=now - 3600 * 10**9)])
    with OtlpSink() as sink:
        result = run(*TRACES, "--to", "logfire", "--endpoint", sink.url, LOGFIRE_TOKEN="token")
    assert [span.name for span in sink.spans] == ["span 2"]
    assert sink.headers[0]["authorization"] == "token"
    assert "1 is older than 24 h: not sent, because Logfire refuses them." in result.stdout


def test_since_selects_spans_by_their_start(write: Write, run: Run) -> None:
    now = time.time_ns()
    write([row(1, start=now - 3600 * 10**9), row(2, start=now - 60 * 10**9)])
    with OtlpSink() as sink:
        result = run(*TRACES, "--to", "otlp", "--endpoint", sink.url, "--since", "10m")
    assert [span.name for span in sink.spans] == ["span 2"]
    assert "Sent 1 span " in result.stdout


def test_large_traces_are_read_in_parts(write: Write, run: Run) -> None:
    # Many spans of one trace begin at the same moment.
    write([row(n, start=1_000_000 + n // 100) for n in range(25_000)])
    with OtlpSink() as sink:
        result = run(*TRACES, "--to", "otlp", "--endpoint", sink.url)
    assert "Sent 25,000 spans" in result.stdout
    assert len({span.span_id for span in sink.spans}) == 25_000 == len(sink.spans)


def test_archived_spans_are_sent_on_demand(
    write: Write, run: Run, store: Path, tmp_path: Path
) -> None:
    now, day = time.time_ns(), 86_400 * 10**9
    old = [row(n, start=now - 9 * day + n, end=now - 9 * day + 500) for n in range(3)]
    write([*old, row(3, start=now - day, end=now - day + 500)])
    assert run("archive", "--before", "7d").exit_code == 0
    opened = Store(store)
    with opened.transaction() as connection:  # older versions stored one that came again twice
        connection.execute("INSERT INTO spans BY NAME FROM all_spans WHERE name = 'span 0'")
    opened.close()
    with OtlpSink() as sink:
        arguments = (*TRACES, "--to", "phoenix", "--endpoint", sink.url)
        assert "Sent 2 spans" in run(*arguments).stdout
        rest = run(*arguments, "--archived")
        assert "Sent 2 spans" in rest.stdout
        assert "2 were there before" in rest.stdout
    assert sorted(span.name for span in sink.spans) == ["span 0", "span 1", "span 2", "span 3"]
    folder = tmp_path / "parquet"
    result = run(*TRACES, "--archived", "--to", "parquet", str(folder))
    assert "Wrote 4 spans" in result.stdout
    assert len(list(folder.glob("day=*"))) == 2
    refused = run(*TRACES, "--archived", "--filter", "status:failed", "--to", "otlp")
    assert refused.exit_code == 2


def test_an_empty_store_and_no_store(write: Write, run: Run) -> None:
    with OtlpSink() as sink:
        arguments = (*TRACES, "--to", "otlp", "--endpoint", sink.url)
        missing = run(*arguments)
        assert missing.exit_code == 3
        assert "has no store" in missing.stderr
        write([])
        empty = run(*arguments)
    assert empty.exit_code == 0
    assert "Sent 0 spans" in empty.stdout
    assert "No finished span in the store matches." in empty.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "otlp"), "--to otlp needs an address"),
        (("--to", "otlp", "--endpoint", "localhost:4318"), "is not a URL: localhost:4318\n"),
        (("--to", "otlp", "--endpoint", "u:pw@h:1/?k=s3cret"), "is not a URL: h:1/\n"),
        (("--to", "otlp", "--endpoint", "http://h:99999"), "is not a URL"),
        (("--to", "otlp", "--endpoint", "http://h", "--header", "name"), "Write NAME=VALUE"),
        (("--to", "otlp", "--endpoint", "http://h", "file"), "takes no PATH"),
        (("--to", "file"), "needs a PATH"),
        (("--to", "parquet", "folder", "--endpoint", "http://h"), "takes no --endpoint"),
    ],
)
def test_wrong_usage(write: Write, run: Run, arguments: tuple[str, ...], message: str) -> None:
    write([])
    result = run(*TRACES, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
