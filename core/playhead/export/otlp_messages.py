"""Parts of OTLP requests that the protobuf library encodes: what is rare, or shared by spans."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import msgspec.json
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from playhead.export.exact_values import Base64, Endless, details, restored

__all__ = [
    "LEAST",
    "MOST",
    "add_attributes",
    "events_and_links",
    "resource_of",
    "scope_of",
    "shared_resource",
    "shared_scope",
]

LEAST, MOST = -(2**63), 2**63
"""The least integer of OTLP, and the first one that is too large."""
_resources: dict[tuple[int, int], tuple[Mapping[str, Any], Mapping[str, Any], bytes]] = {}
"""Resources by the identities of their attributes and details, which spans share."""
_scopes: dict[tuple[str, int], tuple[Mapping[str, Any], bytes]] = {}
"""Scopes by their names and the identity of their details, which spans share."""
_CACHED_RESOURCES = 4096

_decode = msgspec.json.Decoder().decode


def events_and_links(
    events: Iterable[Mapping[str, Any]], links: Iterable[Mapping[str, Any]]
) -> bytes:
    """Return events and links as fields of a span."""
    span = Span()
    for event in events:
        added = span.events.add()
        added.name = event["name"]
        added.time_unix_nano = event["time_unix_nano"]
        added.dropped_attributes_count = event.get("dropped_attributes_count", 0)
        add_attributes(added.attributes, event["attributes"])
    for link in links:
        linked = span.links.add()
        linked.trace_id = bytes.fromhex(link["trace_id"])
        linked.span_id = bytes.fromhex(link["span_id"])
        linked.trace_state = link.get("trace_state", "")
        linked.flags = link.get("flags", 0)
        linked.dropped_attributes_count = link.get("dropped_attributes_count", 0)
        add_attributes(linked.attributes, link["attributes"])
    return span.SerializeToString()


@lru_cache(maxsize=_CACHED_RESOURCES)
def resource_of(attributes: str, others: str) -> bytes:
    """Return a resource as fields of ResourceSpans."""
    found = details(others)
    return _resource_fields(restored(_decode(attributes), found.get("attribute_types")), found)


def shared_resource(attributes: Mapping[str, Any], others: Mapping[str, Any]) -> bytes:
    """Return a resource as fields of ResourceSpans; spans share the mappings."""
    key = (id(attributes), id(others))
    found = _resources.get(key)
    if found is None or found[0] is not attributes or found[1] is not others:
        if len(_resources) >= _CACHED_RESOURCES:
            _resources.clear()
        fields = _resource_fields(attributes, others)
        found = _resources[key] = (attributes, others, fields)
    return found[2]


def _resource_fields(attributes: Mapping[str, Any], others: Mapping[str, Any]) -> bytes:
    found = ResourceSpans(schema_url=others.get("schema_url", ""))
    found.resource.SetInParent()
    add_attributes(found.resource.attributes, attributes)
    found.resource.dropped_attributes_count = others.get("dropped_attributes_count", 0)
    for entity in others.get("entity_refs", ()):
        found.resource.entity_refs.add(**entity)
    return found.SerializeToString()


@lru_cache(maxsize=1024)
def scope_of(name: str, others: str) -> bytes:
    """Return a scope as fields of ScopeSpans."""
    return shared_scope(name, details(others))


def shared_scope(name: str, others: Mapping[str, Any]) -> bytes:
    """Return a scope as fields of ScopeSpans; spans share the mapping."""
    key = (name, id(others))
    found = _scopes.get(key)
    if found is None or found[0] is not others:
        if len(_scopes) >= _CACHED_RESOURCES:
            _scopes.clear()
        found = _scopes[key] = (others, _scope_fields(name, others))
    return found[1]


def _scope_fields(name: str, others: Mapping[str, Any]) -> bytes:
    found = ScopeSpans(schema_url=others.get("schema_url", ""))
    scope = found.scope
    scope.SetInParent()
    scope.name, scope.version = name, others.get("version", "")
    add_attributes(scope.attributes, others.get("attributes", {}))
    scope.dropped_attributes_count = others.get("dropped_attributes_count", 0)
    return found.SerializeToString()


def add_attributes(pairs: Any, attributes: Mapping[str, Any]) -> None:
    """Add attributes to a list of KeyValue messages."""
    for key, value in attributes.items():
        pair: KeyValue = pairs.add()
        pair.key = key
        pair.value.SetInParent()  # a value may be empty
        _set_value(pair.value, value)


def _set_value(message: AnyValue, value: Any) -> None:
    if isinstance(value, str):
        kind: type = value.__class__
        if kind is Base64:
            message.bytes_value = base64.b64decode(value)
        elif kind is Endless:
            message.double_value = float(value)
        else:
            message.string_value = value
    elif value is True or value is False:
        message.bool_value = value
    elif isinstance(value, int):
        if LEAST <= value < MOST:
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
        add_attributes(message.kvlist_value.values, cast("dict[str, Any]", value))
