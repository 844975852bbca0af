"""OTLP/JSON lines from spans of the store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from playhead.export.otlp_encoding import KIND_NUMBERS, LEAST, MOST, STATUS_NUMBERS
from playhead.export.stored_spans import StoredSpan

__all__ = ["otlp_json"]


def otlp_json(spans: Iterable[StoredSpan]) -> str:
    """Return the request as one line of OTLP/JSON, as the Collector's file exporter writes it."""
    document = {
        "resourceSpans": [
            {
                "resource": {"attributes": _json_attributes(resource)},
                "scopeSpans": [
                    {"scope": {"name": name}, "spans": [_json_span(span) for span in members]}
                    for name, members in scopes.items()
                ],
            }
            for resource, scopes in _grouped(spans)
        ]
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _grouped(
    spans: Iterable[StoredSpan],
) -> Iterator[tuple[Mapping[str, Any], dict[str, list[StoredSpan]]]]:
    """Yield each resource with its spans by scope."""
    # Spans of one resource share one mapping, so its identity is enough.
    groups: dict[int, tuple[Mapping[str, Any], dict[str, list[StoredSpan]]]] = {}
    for span in spans:
        group = groups.get(id(span.resource))
        if group is None:
            group = groups[id(span.resource)] = (span.resource, {})
        group[1].setdefault(span.scope_name, []).append(span)
    yield from groups.values()


def _named(names: Mapping[str, int], name: str) -> int:
    """Return the number of an enumeration's value; the store keeps unknown ones as digits."""
    number = names.get(name)
    return int(name) if number is None else number


def _json_span(span: StoredSpan) -> dict[str, Any]:
    found: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_span_id or "",
        "name": span.name,
        "kind": _named(KIND_NUMBERS, span.kind),
        "startTimeUnixNano": str(span.start_unix_nano),
        "endTimeUnixNano": str(span.end_unix_nano),
        "attributes": _json_attributes(span.attributes),
    }
    if span.events:
        found["events"] = [
            {
                "timeUnixNano": str(event["time_unix_nano"]),
                "name": event["name"],
                "attributes": _json_attributes(event["attributes"]),
            }
            for event in span.events
        ]
    if span.links:
        found["links"] = [
            {
                "traceId": link["trace_id"],
                "spanId": link["span_id"],
                "attributes": _json_attributes(link["attributes"]),
            }
            for link in span.links
        ]
    found["status"] = {}
    if span.status_code != "unset" or span.status_message:
        found["status"] = {
            "message": span.status_message,
            "code": _named(STATUS_NUMBERS, span.status_code),
        }
    return found


def _json_attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _json_value(value)} for key, value in attributes.items()]


def _json_value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if value is True or value is False:
        return {"boolValue": value}
    if isinstance(value, int):
        inside = LEAST <= value < MOST
        return {"intValue": str(value)} if inside else {"stringValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_json_value(v) for v in cast("list[Any]", value)]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _json_attributes(cast("dict[str, Any]", value))}}
    return {}
