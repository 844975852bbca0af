"""Secrets in every place of a span, through the real Collector and through the bridge."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from collector_process import Collector, Recorder, send
from planted_secrets import HARMLESS, KEYS, VALUES, leaked, request
from playhead_tracing import redact_secrets
from waiting import until

pytestmark = pytest.mark.timeout(120, func_only=True)


def post(collector: Collector) -> None:
    response = httpx.post(
        f"http://127.0.0.1:{collector.http_port}/v1/traces",
        content=request().SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
    )
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("place", ["recorder", "archive"])
async def test_nothing_leaks(
    collector_binary: Path, recorder: Recorder, tmp_path: Path, place: str
) -> None:
    recorder.start()
    endpoint = f"http://127.0.0.1:{recorder.settings.otlp_http_port}"
    collector = Collector(collector_binary, tmp_path, {"PLAYHEAD_RECORDER_ENDPOINT": endpoint})
    try:
        collector.start()
        post(collector)
        names = sorted([*VALUES, "harmless"])
        if place == "recorder":
            await recorder.wait_for_names(names)
            texts = [json.dumps(row, ensure_ascii=False) for row in await recorder.rows("*")]
            [kept] = await recorder.rows("attributes", "name = 'harmless'")
            attributes = json.loads(kept["attributes"])
        else:
            until(lambda: len(collector.archived()) == len(names), "the archive has all spans")
            texts = [json.dumps(span, ensure_ascii=False) for span in collector.archived()]
            [span] = [span for span in collector.archived() if span["name"] == "harmless"]
            attributes = {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}
            attributes = {k: int(v) if k.startswith(("gen_ai", "llm")) else v
                          for k, v in attributes.items()}  # fmt: skip
    finally:
        collector.child.stop()
    assert [text for text in texts if leaked(text)] == []
    assert attributes == HARMLESS


def test_the_files_of_the_collector_are_private(collector_binary: Path, tmp_path: Path) -> None:
    collector = Collector(collector_binary, tmp_path, {})
    try:
        collector.start()
        with collector.http_exporter() as http:
            send(http, ["one"])
        until(lambda: len(collector.archived()) == 1, "the archive has the span")
        modes = {f: f.stat().st_mode & 0o777 for f in [collector.data, *collector.data.rglob("*")]}
    finally:
        collector.child.stop()
    # Nobody else can enter the folder, whatever the modes of its files are.
    assert modes[collector.data] == 0o700
    assert {str(f): oct(mode) for f, mode in modes.items() if mode & 0o007} == {}


@pytest.mark.parametrize("name", VALUES)
def test_the_bridge_has_the_same_rules_for_values(name: str) -> None:
    for value in (VALUES[name], (f"a {VALUES[name]}", "b"), {"a": [VALUES[name]], "cookie": "b"}):
        redacted = redact_secrets("any.name", value)
        assert redacted is not None
        assert not leaked(str(redacted))
        assert "****" in str(redacted)


@pytest.mark.parametrize("name", KEYS)
def test_the_bridge_has_the_same_rules_for_names(name: str) -> None:
    assert redact_secrets(name, KEYS[name]) == "****"


@pytest.mark.parametrize("name", HARMLESS)
def test_the_bridge_changes_nothing_harmless(name: str) -> None:
    assert redact_secrets(name, HARMLESS[name]) is HARMLESS[name]
