"""The demo's runs in real targets, read back through their APIs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from otlp_sink import OtlpSink
from playhead.cli import cli
from target_programs import Jaeger, Phoenix
from waiting import until

Stored = Callable[[str], list[Any]]

pytestmark = pytest.mark.timeout(120, func_only=True)
"""Time limit without obtaining the targets, which takes minutes at first."""


def export(store: Path, *arguments: str, **env: str) -> dict[str, Any]:
    command = ["--store", str(store), "export", "traces", "--json", "--to", *arguments]
    result = CliRunner().invoke(cli, command, env=env)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_jaeger_shows_the_runs(demo_store: Path, stored: Stored, jaeger: Jaeger) -> None:
    spans = stored("SELECT trace_id, span_id, parent_span_id, name FROM spans")
    report = export(demo_store, "jaeger", "--endpoint", jaeger.http)
    assert report["accepted"] == len(spans)
    by_trace = Counter(trace for trace, *_ in spans)
    shown: dict[str, list[Any]] = {trace: jaeger.trace(trace) for trace in by_trace}
    assert {trace: len(found) for trace, found in shown.items()} == by_trace
    # Jaeger moved no span, which it does for clocks of other hosts.
    assert not [w for found in shown.values() for span in found for w in span["warnings"] or ()]
    agents = {"weather", "approval", "chat", "intake", "medical", "car", "Restate"}
    assert agents <= set(jaeger.services())
    [(denver,)] = stored(
        "SELECT DISTINCT trace_id FROM spans WHERE name = 'execute_tool get_weather'"
        " AND contains(attributes::VARCHAR, 'Denver')"
    )
    found = shown[denver]
    attempts = [s for s in found if s["operationName"].startswith("invocation-attempt")]
    assert [s["operationName"].rpartition("#")[2] for s in attempts] == ["1", "2", "3"]
    errors = [s["tags"].get("otel.status_description", "") for s in attempts]
    assert "the weather station in Denver does not answer" in errors[0]
    assert "the weather station in Denver does not answer" in errors[1]
    assert errors[2] == ""
    root = next(s for s in found if s["operationName"].startswith("ingress"))
    # Jaeger's microseconds: start and duration are each rounded down, so that a sum may lack one.
    assert root["startTime"] + root["duration"] + 1 >= max(
        s["startTime"] + s["duration"] for s in found
    )
    # What is sent again arrives once.
    assert export(demo_store, "jaeger", "--endpoint", jaeger.http)["accepted"] == 0
    assert export(demo_store, "jaeger", "--endpoint", jaeger.http, "--again")["accepted"]
    # Its storage has each of these spans twice, and its API shows equal ones once.
    assert {trace: len(jaeger.trace(trace)) for trace in by_trace} == by_trace


def test_phoenix_shows_kinds_messages_and_sessions(
    demo_store: Path, stored: Stored, phoenix: Phoenix
) -> None:
    spans = stored("SELECT span_id, name FROM spans")
    report = export(demo_store, "phoenix", "--endpoint", phoenix.url)
    assert report["accepted"] == len(spans)
    until(lambda: len(phoenix.spans()) >= len(spans), "Phoenix has all spans", seconds=60)
    found: list[Any] = phoenix.spans()
    assert {s["context"]["span_id"] for s in found} == {span for span, _ in spans}
    assert len(found) == len(spans)
    kinds = {"invoke_agent": "AGENT", "chat": "LLM", "execute_tool": "TOOL"}
    for span in found:
        first = span["name"].split()[0]
        assert span["span_kind"] == kinds.get(first, "CHAIN"), span["name"]
        attributes = span["attributes"]
        assert attributes["session.id"]
        assert attributes["service.name"] in ("Restate", "playhead-samples")
        if attributes.get("playhead.interrupted"):
            continue  # a request that failed has no messages
        if first in ("invoke_agent", "chat", "execute_tool", "ingress"):
            assert attributes["input.value"], span["name"]
        if first in ("chat", "ingress"):
            assert attributes["output.value"], span["name"]
    counts = stored("SELECT sum(input_tokens)::BIGINT, sum(output_tokens)::BIGINT FROM llm_calls")
    assert counts == [(
        sum(s["attributes"].get("llm.token_count.prompt", 0) for s in found),
        sum(s["attributes"].get("llm.token_count.completion", 0) for s in found),
    )]  # fmt: skip
    sessions: dict[str, Any] = {str(s["session_id"]): s for s in phoenix.sessions()}
    assert len(sessions["ChatAgent/ada"]["traces"]) == 3


LANGFUSE_TYPES = {"invoke_agent": "agent", "chat": "generation", "execute_tool": "tool"}
"""Types of langfuse.com/docs/observability/features/observation-types."""


def test_langfuse_gets_its_attributes(demo_store: Path, stored: Stored) -> None:
    """A local receiver with the rules of langfuse.com/integrations/native/opentelemetry."""
    with OtlpSink() as sink:
        export(demo_store, "langfuse", "--endpoint", sink.url,
               LANGFUSE_PUBLIC_KEY="pk", LANGFUSE_SECRET_KEY="sk")  # fmt: skip
    assert sink.paths[0] == "/api/public/otel/v1/traces"
    traces: dict[bytes, list[dict[str, Any]]] = {}
    for request in sink.requests:
        for resource in request.resource_spans:
            names = {a.key for a in resource.resource.attributes}
            assert "service.version" not in names  # that of the server is not the app's
            for scope in resource.scope_spans:
                for span in scope.spans:
                    found = {a.key: a.value for a in span.attributes}
                    first = span.name.split()[0]
                    kind = found["langfuse.observation.type"].string_value
                    assert kind == LANGFUSE_TYPES.get(
                        first, "chain" if first in ("run", "invocation-attempt") else "span"
                    )
                    if span.status.code == 2:
                        # Every run of the demo recovers.
                        assert found["langfuse.observation.level"].string_value == "WARNING"
                        assert found["langfuse.observation.status_message"].string_value
                    traces.setdefault(span.trace_id, []).append(
                        {"name": span.name, "root": not span.parent_span_id, **{
                            key: value.string_value for key, value in found.items()
                        }}
                    )  # fmt: skip
    assert len(traces) == stored("SELECT count(DISTINCT trace_id) FROM spans")[0][0]
    names: set[str] = set()
    for spans in traces.values():
        assert len({s["langfuse.session.id"] for s in spans}) == 1
        assert len({s["langfuse.trace.name"] for s in spans}) == 1
        names.add(spans[0]["langfuse.trace.name"])
        [root] = [s for s in spans if s["root"]]
        assert root["langfuse.trace.input"] == root["langfuse.observation.input"]
        assert root["langfuse.trace.output"]
    assert names == {"weather", "approval", "chat", "intake", "claims_desk"}


def test_what_is_stored_stays_untouched(demo_store: Path, stored: Stored) -> None:
    before = stored("SELECT * FROM spans ORDER BY ALL")
    with OtlpSink() as sink:
        export(demo_store, "phoenix", "--endpoint", sink.url)
        dressed = len(sink.spans)
        export(demo_store, "phoenix", "--endpoint", sink.url, "--as-stored", "--again")
    plain = sink.spans[dressed:]
    assert stored("SELECT * FROM spans ORDER BY ALL") == before
    assert not [a for span in plain for a in span.attributes if a.key == "openinference.span.kind"]
