"""Rows of `spans` from binary OTLP requests, decoded span by span.

For a few spans this is faster than `playhead.record.otlp_columns`, where each request has a fixed
cost. Both give the same rows.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec.json
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from playhead.conventions import INVOCATION_ID, PENDING
from playhead.record.otlp import invalid_ids
from playhead.store.span_writer import SpanRow

__all__ = ["KINDS", "STATUSES", "span_rows", "value_json"]

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
_encode_json = msgspec.json.Encoder().encode


def span_rows(bodies: Iterable[bytes]) -> Iterator[SpanRow]:
    """Yield the rows of the spans with valid ids."""
    for body in bodies:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _attributes(resource_spans.resource.attributes)
            service = resource.get("service.name")
            service = service if isinstance(service, str) else ""
            resource_json = _encode(resource)
            for scope_spans in resource_spans.scope_spans:
                scope = scope_spans.scope.name
                for span in scope_spans.spans:
                    if not invalid_ids(span):
                        yield _row(span, service, scope, resource_json)


def value_json(value: AnyValue) -> str:
    """Return the JSON of an attribute's value: bytes as base64, NaN and infinities as text."""
    return _encode(_value(value))


def _encode(value: Any) -> str:
    return _encode_json(value).decode()


def _row(span: Span, service: str, scope: str, resource: str) -> SpanRow:
    parent = span.parent_span_id
    attributes = _attributes(span.attributes)
    invocation = attributes.get(INVOCATION_ID)
    end = None if attributes.get(PENDING) is True else span.end_time_unix_nano or None
    kind, status = span.kind, span.status
    return (
        span.trace_id.hex(),
        span.span_id.hex(),
        parent.hex() if parent and any(parent) else None,
        span.name,
        KINDS[kind] if 0 <= kind < len(KINDS) else str(kind),
        service,
        scope,
        span.start_time_unix_nano,
        end,
        STATUSES[status.code] if 0 <= status.code < len(STATUSES) else str(status.code),
        status.message,
        _encode(attributes),
        resource,
        _encode(_events(span.events)) if span.events else "[]",
        _encode(_links(span.links)) if span.links else "[]",
        invocation if isinstance(invocation, str) and invocation else None,
    )  # fmt: skip


def _events(events: Iterable[Span.Event]) -> list[Any]:
    return [
        {
            "name": event.name,
            "time_unix_nano": event.time_unix_nano,
            "attributes": _attributes(event.attributes),
        }
        for event in events
    ]


def _links(links: Iterable[Span.Link]) -> list[Any]:
    return [
        {
            "trace_id": link.trace_id.hex(),
            "span_id": link.span_id.hex(),
            "attributes": _attributes(link.attributes),
        }
        for link in links
    ]


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        # Most values are text: finding out which field is set costs as much as reading it.
        found[pair.key] = value.string_value or _value(value)
    return found


def _value(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "bool_value":
            return value.bool_value
        case "double_value":
            number = value.double_value
            return number if math.isfinite(number) else str(number)
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case _:
            return None
