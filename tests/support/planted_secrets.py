"""Secrets as they appear in spans, and values that must stay."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KEYS = {
    "http.request.header.authorization": "just-a-word",
    "http.request.header.cookie": "session=just-a-word",
    "http.response.header.set-cookie": "session=just-a-word",
    "x-api-key": "just-a-word",
    "openai.api_key": "just-a-word",
    "db.password": "just-a-word",
    "oauth.client_secret": "just-a-word",
    "aws.secret_access_key": "just-a-word",
    "refresh_token": "just-a-word",
}
"""Attributes whose names say that their values are secret."""

VALUES = {
    "url": "postgresql://app:hunter2-hunter2@db.internal/prod",
    "dsn": "host=db password=hunter2-hunter2 dbname=prod",
    "command line": "tool --token hunter2-hunter2 --verbose",
    "query": "https://example.com/?api_key=hunter2-hunter2&page=2",
    "bearer": "Authorization: Bearer hunter2-hunter2",
    "json": '{"headers": {"Authorization": "hunter2-hunter2"}, "page": 2}',
    "json in json": '{"body": "{\\"password\\": \\"hunter2-hunter2\\"}"}',
    "openai": "key sk-proj-hunter2hunter2hunter2 in a prompt",
    "anthropic": "sk-ant-api03-hunter2hunter2hunter2",
    "google": "AIza" + "hunter2" * 5,
    "aws": "AKIAHUNTER2HUNTER2XX",
    "github": "ghp_" + "hunter2" * 6,
    "slack": "xoxb-hunter2-hunter2",
    "jwt": "eyJhbGciOiJIUzI1.eyJzdWIiOiJodW50ZXIy.hunter2hunter2",
    "logfire": "pylf_v1_eu_hunter2hunter2hunter2",
}
"""Texts with a secret in them; each has `hunter2`, in any case."""

HARMLESS = {
    "gen_ai.usage.input_tokens": 1234,
    "gen_ai.usage.output_tokens": 56,
    "gen_ai.request.max_tokens": 4096,
    "llm.token_count.prompt": 1234,
    "url": "https://example.com/path?page=2#token-counts",
    "text": "The password policy has a basic rule: see task-0123456789abcdef0123.",
    "ratio": 0.5,
    "flag": True,
    "session.id": "ChatAgent/ada",
    "time": "12:30:00 user@example.com",
}
"""Values that no rule may change."""


def leaked(text: str) -> bool:
    """Return whether a text has one of the planted secrets."""
    return "hunter2" in text.lower() or "just-a-word" in text


def _set_attributes(pairs: Any, values: dict[str, Any]) -> None:
    for key, value in values.items():
        field = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}
        setattr(pairs.add(key=key).value, field[type(value)], value)


def request() -> ExportTraceServiceRequest:
    """Return spans with the secrets in ten places."""
    found = ExportTraceServiceRequest()
    resource = found.resource_spans.add()
    _set_attributes(resource.resource.attributes, {**KEYS, **VALUES, "service.name": "agents"})
    spans = resource.scope_spans.add().spans
    for number, (name, text) in enumerate(VALUES.items(), 1):
        span = spans.add(trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"), name=name)
        span.start_time_unix_nano, span.end_time_unix_nano = 1, 2
        _set_attributes(span.attributes, KEYS | VALUES)
        prompt = [{"role": "user", "parts": [{"type": "text", "content": f"look: {text}"}]}]
        _set_attributes(span.attributes, {"gen_ai.input.messages": json.dumps(prompt)})
        values = span.attributes.add(key="list").value.array_value.values
        values.add(string_value=text)
        pairs = span.attributes.add(key="map").value.kvlist_value.values
        _set_attributes(pairs, {"inside": text})
        span.status.code = span.status.STATUS_CODE_ERROR
        span.status.message = f"failed at {text}"
        event = span.events.add(name="exception", time_unix_nano=1)
        _set_attributes(event.attributes, {"exception.message": f"failed at {text}"} | KEYS)
        _set_attributes(event.attributes, {"exception.stacktrace": f"line 1\n  {text}\n"})
    plain = spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="harmless")
    plain.start_time_unix_nano, plain.end_time_unix_nano = 1, 2
    _set_attributes(plain.attributes, HARMLESS)
    return found
