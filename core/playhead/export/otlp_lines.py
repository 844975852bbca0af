"""OTLP/JSON lines from spans of the store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from typing import Any, cast

from playhead.export.exact_values import Base64, Endless
from playhead.export.otlp_encoding import KIND_NUMBERS, STATUS_NUMBERS
from playhead.export.otlp_messages import LEAST, MOST
from playhead.export.stored_spans import StoredSpan

__all__ = ["otlp_json"]

_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_ENDLESS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def otlp_json(spans: Iterable[StoredSpan]) -> str:
    """Return the request as one line of OTLP/JSON, as the Collector's file exporter writes it."""
    resources = ",".join(map(_resource_spans, _grouped(spans)))
    return f'{{"resourceSpans":[{resources}]}}'


def _resource_spans(scopes: list[list[StoredSpan]]) -> str:
    resource = _text(_json_resource(scopes[0][0]))[1:-1]
    return f'{{{resource},"scopeSpans":[{",".join(map(_scope_spans, scopes))}]}}'


def _scope_spans(members: list[StoredSpan]) -> str:
    scope = _text(_json_scope(members[0]))[1:-1]
    return f'{{{scope},"spans":[{",".join(map(_span, members))}]}}'


def _grouped(spans: Iterable[StoredSpan]) -> Iterator[list[list[StoredSpan]]]:
    """Yield the spans of each resource by scope."""
    # Spans of one resource or scope share one mapping, so its identity is enough.
    groups: dict[tuple[int, int], dict[tuple[str, int], list[StoredSpan]]] = {}
    for span in spans:
        scopes = groups.setdefault((id(span.resource), id(span.resource_details)), {})
        scopes.setdefault((span.scope_name, id(span.scope)), []).append(span)
    for scopes in groups.values():
        yield list(scopes.values())


def _json_resource(span: StoredSpan) -> dict[str, Any]:
    """Return the members of ResourceSpans about the resource."""
    others = span.resource_details
    entities = [
        {
            "schemaUrl": entity["schema_url"],
            "type": entity["type"],
            "idKeys": entity["id_keys"],
            "descriptionKeys": entity["description_keys"],
        }
        for entity in others.get("entity_refs", ())
    ]
    return {
        "resource": {
            "attributes": _json_attributes(span.resource),
            **_set(
                droppedAttributesCount=others.get("dropped_attributes_count"),
                entityRefs=entities,
            ),
        },
        **_set(schemaUrl=others.get("schema_url")),
    }


def _json_scope(span: StoredSpan) -> dict[str, Any]:
    """Return the members of ScopeSpans about the scope."""
    others = span.scope
    return {
        "scope": {
            "name": span.scope_name,
            **_set(
                version=others.get("version"),
                attributes=_json_attributes(others.get("attributes", {})),
                droppedAttributesCount=others.get("dropped_attributes_count"),
            ),
        },
        **_set(schemaUrl=others.get("schema_url")),
    }


def _set(**members: Any) -> dict[str, Any]:
    """Return the members that are set."""
    return {name: value for name, value in members.items() if value}


def _named(names: Mapping[str, int], name: str) -> int:
    """Return the number of an enumeration's value; the store keeps unknown ones as digits."""
    number = names.get(name)
    return int(name) if number is None else number


def _span(span: StoredSpan) -> str:
    """Return a span as text: to make a document of each span would take four times as long."""
    rest = _set(
        traceState=span.trace_state,
        flags=span.flags,
        droppedAttributesCount=span.dropped[0],
        droppedEventsCount=span.dropped[1],
        droppedLinksCount=span.dropped[2],
        events=[_json_event(event) for event in span.events],
        links=[_json_link(link) for link in span.links],
    )
    attributes = ",".join(
        [
            f'{_key(name)}{{"stringValue":{quoted(value)}}}}}'
            if value.__class__ is str
            else f"{_key(name)}{_other(value)}}}"
            for name, value in span.attributes.items()
        ]
    )
    return (
        f'{{"traceId":{quoted(span.trace_id)},"spanId":{quoted(span.span_id)},'
        f'"parentSpanId":{quoted(span.parent_span_id or "")},"name":{quoted(span.name)},'
        f'"kind":{_named(KIND_NUMBERS, span.kind)},'
        f'"startTimeUnixNano":"{span.start_unix_nano}","endTimeUnixNano":"{span.end_unix_nano}",'
        f'"attributes":[{attributes}]{"," + _text(rest)[1:-1] if rest else ""},'
        f'"status":{_status(span.status_code, span.status_message)}}}'
    )  # fmt: skip


def _other(value: Any) -> str:
    """Return a value that is not plain text."""
    if value.__class__ is int and LEAST <= value < MOST:
        return f'{{"intValue":"{value}"}}'
    return _text(_json_value(value))


def _status(code: str, message: str) -> str:
    if code == "unset" and not message:
        return "{}"
    return f'{{"message":{quoted(message)},"code":{_named(STATUS_NUMBERS, code)}}}'


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    """Return the first part of an attribute, up to its value."""
    return f'{{"key":{quoted(name)},"value":'


def _json_event(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "timeUnixNano": str(event["time_unix_nano"]),
        "name": event["name"],
        "attributes": _json_attributes(event["attributes"]),
        **_set(droppedAttributesCount=event.get("dropped_attributes_count")),
    }


def _json_link(link: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "traceId": link["trace_id"],
        "spanId": link["span_id"],
        "attributes": _json_attributes(link["attributes"]),
        **_set(
            traceState=link.get("trace_state"),
            flags=link.get("flags"),
            droppedAttributesCount=link.get("dropped_attributes_count"),
        ),
    }


def _json_attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _json_value(value)} for key, value in attributes.items()]


def _json_value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        kind: type = value.__class__
        if kind is Base64:
            return {"bytesValue": value}
        return {"doubleValue": _ENDLESS[value]} if kind is Endless else {"stringValue": value}
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
