"""Rows of `spans` from many binary OTLP requests, decoded column by column.

ptars converts the requests to Arrow, and DuckDB writes the attributes as JSON. AnyValue is
recursive, which columns cannot be: its arrays and maps stay bytes here, and each distinct one is
decoded by protobuf.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

import duckdb
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from playhead.conventions import INVOCATION_ID, PENDING
from playhead.record.otlp_attributes import (
    AttributeLists,
    entities,
    field,
    joined,
    list_field,
    other_values,
    types_of,
)
from playhead.record.otlp_rows import KINDS, STATUSES
from playhead.store.arrow import ArrowTable, pa, pc
from playhead.store.database import SETTINGS
from playhead.store.schema import SPAN_COLUMNS
from playhead.store.span_marks import MARKS

__all__ = ["SpanDecoder"]

_REQUEST = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest"
_SCALARS = (
    "trace_id", "span_id", "parent_span_id", "name", "kind", "trace_state", "flags",
    "dropped_attributes_count", "dropped_events_count", "dropped_links_count",
)  # fmt: skip
"""Fields of spans that become columns of the same names."""
_RECURSIVE = ("array_value", "kvlist_value")

_MEMBER = """
SELECT quoted || CASE
  WHEN text IS NOT NULL THEN to_json(text)::VARCHAR
  WHEN whole IS NOT NULL THEN whole::VARCHAR
  WHEN truth IS NOT NULL THEN truth::VARCHAR
  WHEN number IS NOT NULL THEN to_json(number)::VARCHAR
  ELSE coalesce(other, 'null') END AS member
FROM members
"""
_SET = {
    "version": ("<> ''", "to_json({})::VARCHAR"),
    "attributes": ("<> '{{}}'", "{}"),
    "schema_url": ("<> ''", "to_json({})::VARCHAR"),
    "trace_state": ("<> ''", "to_json({})::VARCHAR"),
    "flags": ("> 0", "{}::VARCHAR"),
    "dropped_attributes_count": ("> 0", "{}::VARCHAR"),
    "attribute_types": ("IS NOT NULL", "{}"),
    "entity_refs": ("IS NOT NULL", "{}"),
}
"""Members of JSON objects that are left out unless they are set: the condition, and the JSON."""


def _members(*names: str) -> str:
    """Return the SQL for members that are left out unless they are set, each after a comma."""
    members = [(name, *_SET[name]) for name in names]
    return " || ".join(
        f"CASE WHEN {name} {condition.format()} THEN ',\"{name}\":' || {text.format(name)}"
        " ELSE '' END"
        for name, condition, text in members
    )


_EVENT_SET = ("dropped_attributes_count", "attribute_types")
_EVENT = f"""
SELECT '{{"name":' || to_json(name)::VARCHAR || ',"time_unix_nano":' || time_unix_nano::VARCHAR
  || ',"attributes":' || attributes || {_members(*_EVENT_SET)} || '}}' AS item FROM items
"""
_LINK_SET = ("trace_state", "flags", "dropped_attributes_count", "attribute_types")
_LINK = f"""
SELECT '{{"trace_id":"' || lower(hex(trace_id)) || '","span_id":"' || lower(hex(span_id))
  || '","attributes":' || attributes || {_members(*_LINK_SET)} || '}}' AS item FROM items
"""


def _names(value: str, names: Sequence[str]) -> str:
    """Return the SQL for the name of an enumeration's value; a number without one is kept."""
    cases = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(names))
    return f"CASE {value} {cases} ELSE {value}::VARCHAR END"


_SPANS = f"""
SELECT lower(hex(trace_id)) AS trace_id, lower(hex(span_id)) AS span_id,
  CASE WHEN octet_length(parent_span_id) = 8 AND hex(parent_span_id) <> '0000000000000000'
    THEN lower(hex(parent_span_id)) END AS parent_span_id,
  name, {_names("kind", KINDS)} AS kind, service_name, scope_name, start_unix_nano,
  CASE WHEN end_unix_nano > 0 AND NOT pending THEN end_unix_nano END AS end_unix_nano,
  {_names("status_code", STATUSES)} AS status_code, status_message,
  attributes, resource, events, links, nullif(invocation_id, '') AS invocation_id,
  nullif(trace_state, '') AS trace_state, nullif(flags, 0) AS flags,
  nullif(dropped_attributes_count, 0) AS dropped_attributes_count,
  nullif(dropped_events_count, 0) AS dropped_events_count,
  nullif(dropped_links_count, 0) AS dropped_links_count,
  attribute_types, scope, resource_details, {MARKS}
FROM decoded
WHERE octet_length(trace_id) = 16 AND octet_length(span_id) = 8
  AND octet_length(parent_span_id) IN (0, 8)
  AND hex(trace_id) <> '{"0" * 32}' AND hex(span_id) <> '{"0" * 16}'
"""


class SpanDecoder:
    """A decoder of requests; use it in one thread at a time."""

    def __init__(self) -> None:
        self._handler: Any = _handler()
        self._connection = duckdb.connect(config={**SETTINGS, "threads": 1})

    def decode(self, bodies: Sequence[bytes]) -> ArrowTable:
        """Return the spans of binary requests with valid ids, as rows of `spans` with marks.

        JSON columns are text. Raises an exception of ptars or Arrow when a body is malformed.
        """
        requests = self._handler.list_to_record_batch(list(bodies))
        resource_spans = requests.column(0).flatten()
        scope_lists = list_field(resource_spans, "scope_spans")
        scope_spans = scope_lists.flatten()
        span_lists = list_field(scope_spans, "spans")
        spans = span_lists.flatten()
        own_scope = pc.list_parent_indices(span_lists)
        own_resource = pc.list_parent_indices(scope_lists).take(own_scope)
        attributes = self._attributes(list_field(spans, "attributes"))
        resources = field(resource_spans, "resource")
        resource = self._attributes(list_field(resources, "attributes"))
        scopes = field(scope_spans, "scope")
        status = field(spans, "status")
        table = pa.table({
            **{name: field(spans, name) for name in _SCALARS},
            "start_unix_nano": field(spans, "start_time_unix_nano"),
            "end_unix_nano": field(spans, "end_time_unix_nano"),
            "service_name": resource.text("service.name", "").take(own_resource),
            "scope_name": pc.fill_null(field(scopes, "name"), "").take(own_scope),
            "pending": attributes.true(PENDING),
            "status_code": pc.fill_null(field(status, "code"), 0),
            "status_message": pc.fill_null(field(status, "message"), ""),
            "attributes": attributes.json,
            "attribute_types": attributes.types,
            "resource": resource.json.take(own_resource),
            "resource_details": self._details(
                attribute_types=resource.types,
                schema_url=field(resource_spans, "schema_url"),
                dropped_attributes_count=field(resources, "dropped_attributes_count"),
                entity_refs=entities(list_field(resources, "entity_refs")),
            ).take(own_resource),
            "scope": self._scopes(scope_spans, scopes).take(own_scope),
            "events": self._items(
                list_field(spans, "events"), _EVENT, "name", "time_unix_nano",
                "dropped_attributes_count",
            ),
            "links": self._items(
                list_field(spans, "links"), _LINK, "trace_id", "span_id", "trace_state", "flags",
                "dropped_attributes_count",
            ),
            "invocation_id": attributes.text(INVOCATION_ID, None),
            MARKS: attributes.marks(),
        })  # fmt: skip
        return self._run(_SPANS, decoded=table).select([*SPAN_COLUMNS, MARKS])

    def _scopes(self, scope_spans: Any, scopes: Any) -> Any:
        """Return the details of scopes as JSON; null for those without any."""
        attributes = self._attributes(list_field(scopes, "attributes"))
        return self._details(
            version=field(scopes, "version"),
            attributes=attributes.json,
            schema_url=field(scope_spans, "schema_url"),
            dropped_attributes_count=field(scopes, "dropped_attributes_count"),
            attribute_types=attributes.types,
        )

    def _details(self, **columns: Any) -> Any:
        """Return JSON objects of the members that are set; null where none is."""
        sql = f"SELECT {_members(*columns)} AS members FROM items"
        sql = f"SELECT CASE WHEN members <> '' THEN '{{' || members[2:] || '}}' END FROM ({sql})"
        return self._run(sql, items=pa.table(columns)).column(0).combine_chunks()

    def _attributes(self, pairs: Any) -> AttributeLists:
        """Return the attributes of each item of a list of KeyValue lists."""
        members = pairs.values
        value = field(members, "value")
        number = field(value, "double_value")
        keys = field(members, "key").dictionary_encode()
        names: list[str] = keys.dictionary.to_pylist()
        # Few distinct keys stand for all: each is written as JSON once.
        quoted = pa.array(
            [f"{json.dumps(name, ensure_ascii=False)}:" for name in names], pa.string()
        )
        other, types = other_values(value, number)
        columns = {
            "quoted": pa.DictionaryArray.from_arrays(keys.indices, quoted),
            "text": field(value, "string_value"),
            "whole": field(value, "int_value"),
            "truth": field(value, "bool_value"),
            "number": pc.if_else(pc.is_finite(number), number, pa.scalar(None, pa.float64())),
            "other": other,
        }
        if len(members):
            text = self._run(_MEMBER, members=pa.table(columns)).column(0).combine_chunks()
        else:
            text = pa.array([], pa.string())
        places = {name: place for place, name in enumerate(names)}
        return AttributeLists(
            pairs, keys.indices, places, columns, joined(pairs, text, "{", "}"),
            types_of(pairs, columns["quoted"], types),
        )  # fmt: skip

    def _items(self, lists: Any, sql: str, *names: str) -> Any:
        """Return the events or links of each span as JSON."""
        items = lists.values
        if not len(items):
            return pa.array(["[]"] * len(lists), pa.string())
        columns = {name: field(items, name) for name in names}
        attributes = self._attributes(list_field(items, "attributes"))
        columns |= {"attributes": attributes.json, "attribute_types": attributes.types}
        text = self._run(sql, items=pa.table(columns)).column(0).combine_chunks()
        return joined(lists, text, "[", "]")

    def _run(self, sql: str, **tables: ArrowTable) -> ArrowTable:
        for name, table in tables.items():
            self._connection.register(name, table)
        try:
            return self._connection.sql(sql).to_arrow_table()
        finally:
            for name in tables:
                self._connection.unregister(name)


@functools.cache
def _handler() -> Any:
    """Return ptars' handler of the request type with AnyValue's recursive fields as bytes.

    A message field and a bytes field have the same wire format.
    """
    import ptars

    handlers: Any = ptars.HandlerPool
    pool = DescriptorPool()
    for module in (common_pb2, resource_pb2, trace_pb2, trace_service_pb2):
        file = FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        for message in file.message_type:
            if message.name == "AnyValue":
                for field in message.field:
                    if field.name in _RECURSIVE:
                        field.type = FieldDescriptorProto.TYPE_BYTES
                        field.ClearField("type_name")
        pool.Add(file)  # pyright: ignore[reportUnknownMemberType]
    request = pool.FindMessageTypeByName(_REQUEST)
    return handlers([request.file]).get_for_message(request)
