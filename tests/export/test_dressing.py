"""What targets get besides the stored spans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from exported_rows import START, Run, Write, row
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_sink import OtlpSink
from playhead.store.database import Store

SERVER = {"service.name": "Restate", "service.version": "1.7.12"}
AGENTS = {"service.name": "agents", "service.version": "3.1"}


def text(span: Span, name: str) -> str | None:
    return next((a.value.string_value for a in span.attributes if a.key == name), None)


def server(number: int, word: str, target: str, **more: Any) -> Any:
    attributes = {"restate.invocation.target": target}
    return row(number, name=f"{word} {target}", attributes=attributes, resource=SERVER, **more)


def agent(number: int, name: str, *, invocation: str, **more: Any) -> Any:
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
    attributes |= more.pop("attributes", {})
    return row(number, name=f"invoke_agent {name}", attributes=attributes, resource=AGENTS,
               invocation=invocation, **more)  # fmt: skip


def insert(store: Path, table: str, rows: list[dict[str, Any]]) -> None:
    opened = Store(store)
    with opened.transaction() as connection:
        for values in rows:
            names = ", ".join(f'"{name}"' for name in values)
            places = ", ".join("?" for _ in values)
            connection.execute(
                f"INSERT INTO {table} ({names}) VALUES ({places})", [*values.values()]
            )
    opened.close()


@pytest.fixture
def calling(write: Write, store: Path) -> None:
    """An agent of a virtual object that calls another service in a tool, in its second attempt."""
    write([
        server(0, "ingress", "Chat/ada/run", invocation="inv_a"),
        server(1, "invocation-start", "Chat/ada/run", parent=0, invocation="inv_a"),
        server(2, "invocation-attempt", "Chat/ada/run", parent=1, invocation="inv_a",
               status=("error", "transient failure")),
        server(3, "invocation-attempt", "Chat/ada/run", parent=1, invocation="inv_a"),
        agent(4, "first", invocation="inv_a", parent=3, attributes={
            "input.value": "the question", "final_result": {"answer": 1}, "user.id": "ada"}),
        row(5, name="execute_tool ask", parent=4, resource=AGENTS, invocation="inv_a", attributes={
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": '{"q":1}',
            "gen_ai.tool.call.result": "seven", "playhead.journal.commands": [2]}),
        # Restate puts a called invocation under the attempt.
        server(6, "invocation-start", "Other/run", parent=3, invocation="inv_b"),
        server(7, "invocation-attempt", "Other/run", parent=6, invocation="inv_b"),
        agent(8, "second", invocation="inv_b", parent=7, attributes={
            "input.value": "a detail", "final_result": "seven"}),
        server(9, "invocation-end", "Chat/ada/run", parent=1, invocation="inv_a",
               start=START + 10**9),
    ])  # fmt: skip
    insert(store, "invocations", [
        {"id": "inv_a", "target_service_name": "Chat", "target_service_key": "ada",
         "completion_result": "success"},
        {"id": "inv_b", "target_service_name": "Other", "invoked_by_id": "inv_a"},
    ])  # fmt: skip
    commands = ["Command: Input", "Notification: Run", "Command: Run", "Command: Call"]
    insert(store, "journal", [
        {"id": "inv_a", "index": n, "entry_type": kind,
         "invoked_id": "inv_b" if kind == "Command: Call" else None}
        for n, kind in enumerate(commands)
    ])  # fmt: skip
    insert(store, "journal_events", [{
        "id": "inv_a", "event_type": "TransientError", "appended_at": "2026-11-18 11:06:40+00",
        "event_json": json.dumps({"error_message": "the real reason"}),
    }])  # fmt: skip


def exported(run: Run, name: str, *arguments: str, **env: str) -> tuple[list[Span], OtlpSink]:
    with OtlpSink() as sink:
        result = run("export", "traces", "--to", name, "--endpoint", sink.url, *arguments, **env)
    assert result.exit_code == 0, result.output
    return sorted(sink.spans, key=lambda span: span.span_id), sink


def services(sink: OtlpSink) -> dict[str, str]:
    return {
        span.name: next(a.value.string_value for a in group.resource.attributes
                        if a.key == "service.name")
        for request in sink.requests for group in request.resource_spans
        for scope in group.scope_spans for span in scope.spans
    }  # fmt: skip


def test_a_called_invocation_is_under_the_tool_with_a_link(calling: None, run: Run) -> None:
    spans, _ = exported(run, "phoenix")
    tool, attempt, called = spans[5], spans[3], spans[6]
    assert called.name == "invocation-start Other/run"
    assert called.parent_span_id == tool.span_id
    assert [link.span_id for link in called.links] == [attempt.span_id]


def test_agents_only(calling: None, run: Run) -> None:
    spans, sink = exported(run, "langfuse", "--agents-only", LANGFUSE_PUBLIC_KEY="pk",
                           LANGFUSE_SECRET_KEY="sk")  # fmt: skip
    first, tool, second = spans
    assert [span.name for span in spans] == [
        "invoke_agent first", "execute_tool ask", "invoke_agent second"
    ]  # fmt: skip
    assert first.parent_span_id == b""
    assert tool.parent_span_id == first.span_id
    assert second.parent_span_id == tool.span_id
    assert set(services(sink).values()) == {"agents"}
    assert text(first, "langfuse.trace.input") == "the question"
    assert {text(span, "langfuse.session.id") for span in spans} == {"Chat/ada"}
    again = run("export", "traces", "--to", "otlp", "--endpoint", sink.url, "--agents-only")
    assert again.exit_code == 2


def test_one_session_and_user_for_the_trace(calling: None, run: Run) -> None:
    spans, _ = exported(run, "phoenix")
    assert {text(span, "session.id") for span in spans} == {"Chat/ada"}
    assert {text(span, "user.id") for span in spans} == {"ada"}


def test_the_session_of_the_app_is_kept(write: Write, run: Run) -> None:
    write([
        server(0, "ingress", "Service/run", invocation="inv_a"),
        agent(1, "first", invocation="inv_a", parent=0, attributes={
            "session.id": "of the app", "restate.invocation.target": "Service/run"}),
    ])  # fmt: skip
    spans, _ = exported(run, "phoenix")
    assert {text(span, "session.id") for span in spans} == {"of the app"}


def test_sessions_without_journals(write: Write, run: Run) -> None:
    write([
        server(0, "ingress", "Chat/ada/run", invocation="inv_a"),
        server(1, "ingress", "Service/run", invocation="inv_b", trace=1),
    ])  # fmt: skip
    spans, _ = exported(run, "logfire", LOGFIRE_TOKEN="t")
    assert spans == []  # they are too old
    spans, _ = exported(run, "datadog", DD_API_KEY="t")
    assert [text(span, "session.id") for span in spans] == ["Chat/ada", "inv_b"]


def test_jaeger_names_attempts_agents_and_errors(calling: None, run: Run) -> None:
    spans, sink = exported(run, "jaeger")
    assert [s.name for s in spans[2:4]] == [
        "invocation-attempt Chat/ada/run #1", "invocation-attempt Chat/ada/run #2",
    ]  # fmt: skip
    assert spans[2].status.message == "the real reason"
    found = services(sink)
    assert found["invoke_agent first"] == found["execute_tool ask"] == "first"
    assert found["invoke_agent second"] == "second"
    assert found["ingress Chat/ada/run"] == "Restate"
    end = spans[9].end_time_unix_nano
    assert spans[0].end_time_unix_nano == spans[1].end_time_unix_nano == end
    assert spans[6].end_time_unix_nano < end  # the called invocation ended before


def test_phoenix_gets_kinds_inputs_and_outputs(calling: None, run: Run) -> None:
    spans, _ = exported(run, "phoenix")
    kinds = [text(span, "openinference.span.kind") for span in spans]
    assert kinds == [*["CHAIN"] * 4, "AGENT", "TOOL", "CHAIN", "CHAIN", "AGENT", "CHAIN"]
    contents = [(text(s, "input.value"), text(s, "output.value")) for s in spans]
    assert contents[0] == ("the question", '{"answer": 1}')
    assert contents[4] == ("the question", '{"answer": 1}')
    assert contents[5] == ('{"q":1}', "seven")
    assert text(spans[5], "input.mime_type") == "application/json"
    assert text(spans[5], "output.mime_type") == "text/plain"
    assert contents[3] == (None, None)


def test_langfuse_gets_trace_and_observations(calling: None, run: Run) -> None:
    spans, sink = exported(run, "langfuse", LANGFUSE_PUBLIC_KEY="p", LANGFUSE_SECRET_KEY="s")
    assert {text(span, "langfuse.trace.name") for span in spans} == {"first"}
    assert {text(span, "langfuse.version") for span in spans} == {"3.1"}
    assert text(spans[0], "langfuse.trace.input") == "the question"
    assert text(spans[0], "langfuse.trace.output") == '{"answer": 1}'
    types = [text(span, "langfuse.observation.type") for span in spans]
    assert types == ["span", "span", "chain", "chain", "agent", "tool", "span", "chain", "agent",
                     "span"]  # fmt: skip
    # The run recovered: a failed attempt is a warning.
    assert text(spans[2], "langfuse.observation.level") == "WARNING"
    assert text(spans[2], "langfuse.observation.status_message") == "the real reason"
    names = {a.key for r in sink.requests for g in r.resource_spans for a in g.resource.attributes}
    assert "restate.server.version" in names


def test_a_failed_run_is_an_error(calling: None, store: Path, run: Run) -> None:
    opened = Store(store)
    with opened.transaction() as connection:
        connection.execute("UPDATE invocations SET completion_result = 'failure'")
    opened.close()
    spans, _ = exported(run, "langfuse", LANGFUSE_PUBLIC_KEY="p", LANGFUSE_SECRET_KEY="s")
    assert text(spans[2], "langfuse.observation.level") == "ERROR"


def test_plain_otlp_is_as_stored(calling: None, run: Run) -> None:
    spans, _ = exported(run, "otlp")
    assert spans[6].parent_span_id == spans[3].span_id
    assert not [a.key for span in spans for a in span.attributes if a.key == "session.id"]


def test_a_filter_selects_invocations(calling: None, run: Run, tmp_path: Path) -> None:
    with OtlpSink() as sink:
        arguments = ("export", "traces", "--to", "otlp", "--endpoint", sink.url)
        assert "Sent 3 spans" in run(*arguments, "--filter", "service:Other").stdout
        assert "Sent 7 spans" in run(*arguments, "--filter", "-service:Other").stdout
        assert "Sent 0 spans" in run(*arguments, "--filter", "cost>5").stdout
        wrong = run(*arguments, "--filter", "nonsense:1")
        assert wrong.exit_code == 2
    assert len({span.span_id for span in sink.spans}) == 10 == len(sink.spans)
    folder = ("export", "traces", "--to", "parquet", str(tmp_path / "spans"))
    assert "Wrote 3 spans" in run(*folder, "--filter", "service:Other").stdout
