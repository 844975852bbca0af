"""OTLP requests from spans of the store.

The store keeps attributes as JSON: bytes are base64 text there, NaN and infinities are text, and
they are exported as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from playhead.export.stored_spans import StoredSpan

__all__ = ["KIND_NUMBERS", "STATUS_NUMBERS", "Batch", "batches", "encode", "otlp_json"]

BATCH_BYTES = 1_000_000
"""Approximate size of a request. Many targets refuse more than 4 MiB for good."""

KIND_NUMBERS: Mapping[str, int] = {
    "unspecified": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5,
}  # fmt: skip
STATUS_NUMBERS: Mapping[str, int] = {"unset": 0, "ok": 1, "error": 2}
_LEAST, _MOST = -(2**63), 2**63
_CACHED = frozenset({str, int, bool, float})
_CACHED_BYTES = 200
_CACHED_PAIRS = 20_000
_encodings: dict[tuple[tuple[str, Any], type], bytes] = {}
"""Short attributes as bytes."""


@dataclass(slots=True)
class Batch:
    """Spans that are sent in one request."""

    spans: list[StoredSpan] = field(default_factory=list[StoredSpan])
    size: int = 0
    """Approximate size in bytes."""

    def add(self, span: StoredSpan) -> None:
        """Add a span."""
        self.spans.append(span)
        self.size += span.size


def batches(spans: Iterable[StoredSpan], size: int = BATCH_BYTES) -> Iterator[Batch]:
    """Yield the spans in batches of at most `size` bytes; a larger span is a batch of its own."""
    batch = Batch()
    for span in spans:
        if batch.spans and batch.size + span.size > size:
            yield batch
            batch = Batch()
        batch.add(span)
    if batch.spans:
        yield batch


def encode(spans: Iterable[StoredSpan]) -> ExportTraceServiceRequest:
    """Return a request with these spans, grouped by resource and scope."""
    request = ExportTraceServiceRequest()
    for resource, scopes in _grouped(spans):
        group = request.resource_spans.add()
        _add_attributes(group.resource.attributes, resource)
        for name, members in scopes.items():
            scope_spans: ScopeSpans = group.scope_spans.add()
            scope_spans.scope.name = name
            for span in members:
                _fill(scope_spans.spans.add(), span)
    return request


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


def _fill(message: Span, span: StoredSpan) -> None:
    message.trace_id = bytes.fromhex(span.trace_id)
    message.span_id = bytes.fromhex(span.span_id)
    if span.parent_span_id:
        message.parent_span_id = bytes.fromhex(span.parent_span_id)
    message.name = span.name
    message.kind = cast("Any", _number(KIND_NUMBERS, span.kind))
    message.start_time_unix_nano = span.start_unix_nano
    message.end_time_unix_nano = span.end_unix_nano
    message.MergeFromString(b"".join(map(_encoded, span.attributes.items())))
    for event in span.events:
        added = message.events.add()
        added.name = event["name"]
        added.time_unix_nano = event["time_unix_nano"]
        _add_attributes(added.attributes, event["attributes"])
    for link in span.links:
        linked = message.links.add()
        linked.trace_id = bytes.fromhex(link["trace_id"])
        linked.span_id = bytes.fromhex(link["span_id"])
        _add_attributes(linked.attributes, link["attributes"])
    if span.status_code != "unset" or span.status_message:
        message.status.code = cast("Any", _number(STATUS_NUMBERS, span.status_code))
        message.status.message = span.status_message


def _encoded(pair: tuple[str, Any]) -> bytes:
    """Return an attribute as the bytes of a span that has nothing else.

    Merging bytes is several times as fast as setting fields, and most attributes repeat.
    """
    value = pair[1]
    # True, 1 and 1.0 are equal keys of a dict.
    key = (pair, value.__class__) if value.__class__ in _CACHED else None
    if key is not None and (found := _encodings.get(key)) is not None:
        return found
    span = Span()
    attribute = span.attributes.add()
    attribute.key = pair[0]
    _set_value(attribute.value, value)
    encoded = span.SerializeToString()
    if key is not None and len(encoded) <= _CACHED_BYTES:
        if len(_encodings) >= _CACHED_PAIRS:
            _encodings.clear()
        _encodings[key] = encoded
    return encoded


def _number(names: Mapping[str, int], name: str) -> int:
    """Return the number of an enumeration's value; the store keeps unknown ones as digits."""
    number = names.get(name)
    return int(name) if number is None else number


def _add_attributes(pairs: Any, attributes: Mapping[str, Any]) -> None:
    for key, value in attributes.items():
        pair: KeyValue = pairs.add()
        pair.key = key
        _set_value(pair.value, value)


def _set_value(message: AnyValue, value: Any) -> None:
    if isinstance(value, str):
        message.string_value = value
    elif value is True or value is False:
        message.bool_value = value
    elif isinstance(value, int):
        if _LEAST <= value < _MOST:
            message.int_value = value
        else:
            message.string_value = str(value)
    elif isinstance(value, float):
        message.double_value = value
    elif isinstance(value, list):
        values = message.array_value
        values.SetInParent()
        for item in cast("Sequence[Any]", value):
            _set_value(values.values.add(), item)
    elif isinstance(value, dict):
        # An empty map is a map, and not a missing value.
        message.kvlist_value.SetInParent()
        _add_attributes(message.kvlist_value.values, cast("dict[str, Any]", value))


def _json_span(span: StoredSpan) -> dict[str, Any]:
    found: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_span_id or "",
        "name": span.name,
        "kind": _number(KIND_NUMBERS, span.kind),
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
            "code": _number(STATUS_NUMBERS, span.status_code),
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
        inside = _LEAST <= value < _MOST
        return {"intValue": str(value)} if inside else {"stringValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_json_value(v) for v in cast("list[Any]", value)]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _json_attributes(cast("dict[str, Any]", value))}}
    return {}
