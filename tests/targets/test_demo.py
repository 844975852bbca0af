"""`playhead demo` through a real Collector to a real Jaeger, and to an address."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from otlp_sink import OtlpSink
from playhead_samples.collector import web_address
from playhead_samples.demo_requests import CALLED, REQUESTS
from target_programs import Jaeger, program

pytestmark = pytest.mark.timeout(180, func_only=True)

DEMO = [sys.executable, "-m", "playhead", "demo", "--json"]


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, *arguments], capture_output=True, text=True, check=False, timeout=150,
        env={**os.environ, **env},
    )  # fmt: skip


def ids(folder: Path) -> set[str]:
    connection = duckdb.connect(str(folder / "store" / "playhead.duckdb"), read_only=True)
    try:
        assert connection.execute("SELECT count(*) FROM spans WHERE end_unix_nano IS NULL"
                                  ).fetchall() == [(0,)]  # fmt: skip
        return {span for (span,) in connection.execute("SELECT span_id FROM spans").fetchall()}
    finally:
        connection.close()


def test_every_span_reaches_recorder_archive_and_jaeger(tmp_path: Path, jaeger: Jaeger) -> None:
    program("collector")
    before = set(jaeger.span_ids())
    folder = tmp_path / "demo"
    done = run("--dir", str(folder), "--to", "jaeger", JAEGER_OTLP_ENDPOINT=jaeger.grpc)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["invocations"]) == len(REQUESTS) + CALLED
    assert "all spans go through the Collector" in done.stderr
    assert "jaeger: http://localhost:16686" in done.stderr
    stored = ids(folder)
    archived = [
        span["spanId"]
        for line in (folder / "collector" / "traces.jsonl").read_text().splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert sorted(archived) == sorted(stored)
    assert set(jaeger.span_ids()) - before == stored


def test_targets_are_shown_where_the_collector_sends() -> None:
    assert web_address("phoenix", {}) == "http://localhost:6006"
    moved = {"PHOENIX_COLLECTOR_ENDPOINT": "http://127.0.0.1:7007", "LANGFUSE_HOST": "http://l"}
    assert web_address("phoenix", moved) == "http://127.0.0.1:7007"
    assert web_address("langfuse", moved) == "http://l"
    assert web_address("jaeger", moved) == "http://localhost:16686"


def test_spans_go_to_an_address(tmp_path: Path) -> None:
    with OtlpSink() as sink:
        done = run("--dir", str(tmp_path / "demo"), "--otlp", sink.url)
        agents = [span for span in sink.spans if span.name.startswith("invoke_agent")]
    assert done.returncode == 0, done.stderr
    assert f"all spans go to {sink.url}; the recorder listens at" in done.stderr
    assert len(agents) >= 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--otlp", "http://127.0.0.1:1", "--collector"), "excludes"),
        (("--to", "langfuse"), "LANGFUSE_AUTH is not set"),
        (("--to", "logfire"), "LOGFIRE_TOKEN is not set"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run("--dir", str(tmp_path / "demo"), *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "demo").exists()
