"""Run otel-collector.yaml in a real Collector, with real exporters and recorders."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from collector_process import CONFIG, ROOT, Collector, Recorder, Running, send
from opentelemetry.sdk.trace.export import SpanExportResult
from otlp_sink import OtlpSink
from waiting import until

pytestmark = pytest.mark.timeout(120, func_only=True)
"""Time limit without the build of the Collector, which takes minutes with empty caches."""


KEYED = {
    "langfuse": "LANGFUSE_AUTH",
    "logfire": "LOGFIRE_TOKEN",
    "datadog": "DD_API_KEY",
    "honeycomb": "HONEYCOMB_API_KEY",
}


def validate(binary: Path, environ: Mapping[str, str], *targets: str) -> str:
    """Return what the Collector says about its configuration; nothing if it would start."""
    files = [CONFIG, *(ROOT / "otel-collector" / f"{name}.yaml" for name in targets)]
    done = subprocess.run(
        [binary, "validate", *(f"--config={file}" for file in files)],
        env={"PATH": os.defpath, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == (done.stderr == ""), done.stderr
    return done.stderr


@pytest.mark.parametrize("name", KEYED)
def test_the_collector_refuses_a_target_without_its_key(collector_binary: Path, name: str) -> None:
    for missing in ({}, {KEYED[name]: ""}):
        assert f"{KEYED[name]}_is_not_set" in validate(collector_binary, missing, name)
    assert validate(collector_binary, {KEYED[name]: "cGstMTpzay0y"}, name) == ""


def test_several_targets_with_keys(collector_binary: Path) -> None:
    exporters = ", ".join(f"otlp_http/{name}" for name in KEYED)
    environ = dict.fromkeys(KEYED.values(), "key")
    environ["PLAYHEAD_COLLECTOR_EXPORTERS"] = f"[{exporters}]"
    assert validate(collector_binary, environ, *KEYED) == ""
    # Without its file, a target with a key cannot be switched on.
    assert '"otlp_http/langfuse" which is not configured' in validate(collector_binary, environ)


TARGETS = {
    "otlp_grpc/tempo": ("", "", ""),
    "otlp_http/phoenix": ("/v1/traces", "authorization", "Bearer a-key"),
    "otlp_http/other": ("/v1/traces", "authorization", "a-key"),
    "otlp_http/langfuse": ("/api/public/otel/v1/traces", "authorization", "Basic a-key"),
    "otlp_http/logfire": ("/v1/traces", "authorization", "a-key"),
    "otlp_http/datadog": ("/v1/traces", "dd-api-key", "a-key"),
    "otlp_http/honeycomb": ("/v1/traces", "x-honeycomb-team", "a-key"),
}
"""Path, header and key of each target; the others are tested with the real ones."""
ADDRESSES = {
    "phoenix": ("PHOENIX_COLLECTOR_ENDPOINT", "PHOENIX_API_KEY"),
    "other": ("PLAYHEAD_COLLECTOR_OTHER_ENDPOINT", "PLAYHEAD_COLLECTOR_OTHER_AUTHORIZATION"),
    "langfuse": ("LANGFUSE_HOST", "LANGFUSE_AUTH"),
    "logfire": ("LOGFIRE_BASE_URL", "LOGFIRE_TOKEN"),
    "datadog": ("DD_OTLP_ENDPOINT", "DD_API_KEY"),
    "honeycomb": ("HONEYCOMB_API_ENDPOINT", "HONEYCOMB_API_KEY"),
}
"""Variables with the address and the key of each target over HTTP."""


async def test_each_target_gets_the_spans_with_its_key(running: Running, tmp_path: Path) -> None:
    tempo = Recorder(tmp_path / "second")  # which takes OTLP over gRPC, too
    with contextlib.ExitStack() as stack:
        tempo.start()
        stack.callback(tempo.stop)
        sinks = {name: stack.enter_context(OtlpSink()) for name in ADDRESSES}
        env = {"PLAYHEAD_COLLECTOR_EXPORTERS": f"[{', '.join(TARGETS)}]"}
        for name, (address, key) in ADDRESSES.items():
            env |= {address: sinks[name].url, key: "a-key"}
        env["TEMPO_OTLP_ENDPOINT"] = f"127.0.0.1:{tempo.settings.otlp_grpc_port}"
        collector = stack.enter_context(running(env, list(KEYED)))
        with collector.http_exporter() as http:
            assert send(http, ["to all"]) is SpanExportResult.SUCCESS
        await tempo.wait_for_names(["to all"])
        for name, sink in sinks.items():
            until(lambda sink=sink: len(sink.spans) > 0, f"{name} has the span")
            assert [span.name for span in sink.spans] == ["to all"]
            path, header, key = TARGETS[f"otlp_http/{name}"]
            assert (sink.paths, sink.headers[0][header]) == ([path], key)
        assert sinks["langfuse"].headers[0]["x-langfuse-ingestion-version"] == "4"
        command = " ".join(psutil.Process(collector.child.pid).cmdline())
        assert "a-key" not in command
        assert "a-key" not in collector.child.log.read_text()


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
            return sorted(span["name"] for span in collector.archived())

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
