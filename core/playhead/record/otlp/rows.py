"""Rows of `spans` from binary OTLP requests, decoded span by span.

For a few spans this is faster than `playhead.record.otlp.columns`, where each request has a fixed
cost. Both give the same rows.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec.json
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, EntityRef, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from playhead.conventions import INVOCATION_ID, PENDING
from playhead.record.otlp.requests import invalid_ids
from playhead.store.span_writer import SpanRow

__all__ = ["BYTES", "DOUBLE", "KINDS", "STATUSES", "entities_json", "span_rows", "value_json"]

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
BYTES, DOUBLE = "bytes", "double"
"""Types in `attribute_types`."""
_encode_json = msgspec.json.Encoder().encode


def span_rows(bodies: Iterable[bytes]) -> Iterator[SpanRow]:
    """Yield the rows of the spans with valid ids."""
    for body in bodies:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource, types = _attributes(resource_spans.resource.attributes)
            service = resource.get("service.name")
            service = service if isinstance(service, str) else ""
            resource_json = _encode(resource)
            details = _resource_details(resource_spans, types)
            for scope_spans in resource_spans.scope_spans:
                name = scope_spans.scope.name
                scope = _scope(scope_spans)
                for span in scope_spans.spans:
                    if not invalid_ids(span):
                        yield _row(span, service, name, resource_json, scope, details)


def value_json(value: AnyValue) -> tuple[str, str | None]:
    """Return the JSON of an attribute's value, and that of its types that JSON cannot express.

    Bytes are base64, NaN and infinities text.
    """
    types: dict[str, Any] = {}
    text = _encode(_value(value, types, ""))
    return text, _encode(types[""]) if types else None


def entities_json(entities: Iterable[EntityRef]) -> str:
    """Return the JSON of a resource's references to entities."""
    return _encode(_entities(entities))


def _encode(value: Any) -> str:
    return _encode_json(value).decode()


def _row(
    span: Span, service: str, scope_name: str, resource: str, scope: str | None, details: str | None
) -> SpanRow:
    parent = span.parent_span_id
    attributes, types = _attributes(span.attributes)
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
        scope_name,
        span.start_time_unix_nano,
        end,
        STATUSES[status.code] if 0 <= status.code < len(STATUSES) else str(status.code),
        status.message,
        _encode(attributes),
        resource,
        _encode(_events(span.events)) if span.events else "[]",
        _encode(_links(span.links)) if span.links else "[]",
        invocation if isinstance(invocation, str) and invocation else None,
        span.trace_state or None,
        span.flags or None,
        span.dropped_attributes_count or None,
        span.dropped_events_count or None,
        span.dropped_links_count or None,
        _encode(types) if types else None,
        scope,
        details,
    )  # fmt: skip


def _events(events: Iterable[Span.Event]) -> list[Any]:
    found: list[Any] = []
    for event in events:
        attributes, types = _attributes(event.attributes)
        found.append({
            "name": event.name,
            "time_unix_nano": event.time_unix_nano,
            "attributes": attributes,
            **_set(dropped_attributes_count=event.dropped_attributes_count, attribute_types=types),
        })  # fmt: skip
    return found


def _links(links: Iterable[Span.Link]) -> list[Any]:
    found: list[Any] = []
    for link in links:
        attributes, types = _attributes(link.attributes)
        found.append({
            "trace_id": link.trace_id.hex(),
            "span_id": link.span_id.hex(),
            "attributes": attributes,
            **_set(
                trace_state=link.trace_state,
                flags=link.flags,
                dropped_attributes_count=link.dropped_attributes_count,
                attribute_types=types,
            ),
        })  # fmt: skip
    return found


def _scope(scope_spans: ScopeSpans) -> str | None:
    scope = scope_spans.scope
    attributes, types = _attributes(scope.attributes)
    details = _set(
        version=scope.version,
        attributes=attributes,
        schema_url=scope_spans.schema_url,
        dropped_attributes_count=scope.dropped_attributes_count,
        attribute_types=types,
    )
    return _encode(details) if details else None


def _resource_details(resource_spans: ResourceSpans, types: dict[str, Any]) -> str | None:
    resource = resource_spans.resource
    details = _set(
        schema_url=resource_spans.schema_url,
        dropped_attributes_count=resource.dropped_attributes_count,
        attribute_types=types,
        entity_refs=_entities(resource.entity_refs),
    )
    return _encode(details) if details else None


def _entities(entities: Iterable[EntityRef]) -> list[Any]:
    return [
        {
            "schema_url": entity.schema_url,
            "type": entity.type,
            "id_keys": list(entity.id_keys),
            "description_keys": list(entity.description_keys),
        }
        for entity in entities
    ]


def _set(**values: Any) -> dict[str, Any]:
    """Return the values that are set."""
    return {name: value for name, value in values.items() if value}


def _attributes(pairs: Sequence[KeyValue]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return attributes by name, and the types of those that JSON cannot express."""
    found: dict[str, Any] = {}
    types: dict[str, Any] = {}
    for pair in pairs:
        value, name = pair.value, pair.key
        # Most values are text: finding out which field is set costs as much as reading it.
        found[name] = value.string_value or _value(value, types, name)
    if types and len(found) < len(pairs):
        # The last one of a repeated name counts.
        return _attributes(list({pair.key: pair for pair in pairs}.values()))
    return found, types


def _value(value: AnyValue, types: dict[str, Any], place: str) -> Any:
    """Return a value for JSON; if JSON cannot express its type, note the type at this place."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "bool_value":
            return value.bool_value
        case "double_value":
            number = value.double_value
            if math.isfinite(number):
                return number
            types[place] = DOUBLE
            return str(number)
        case "array_value":
            inner: dict[str, Any] = {}
            items = enumerate(value.array_value.values)
            found = [_value(item, inner, str(number)) for number, item in items]
            if inner:
                types[place] = inner
            return found
        case "kvlist_value":
            members, inner = _attributes(value.kvlist_value.values)
            if inner:
                types[place] = inner
            return members
        case "bytes_value":
            types[place] = BYTES
            return base64.b64encode(value.bytes_value).decode()
        case _:
            return None
