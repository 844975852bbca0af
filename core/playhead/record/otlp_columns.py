"""Rows of `spans` from many binary OTLP requests, decoded column by column.

ptars converts the requests to Arrow, and DuckDB writes the attributes as JSON. AnyValue is
recursive, which columns cannot be: its arrays and maps stay bytes here, and each distinct one is
decoded by protobuf.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from playhead.conventions import INVOCATION_ID, PENDING
from playhead.record.otlp_rows import KINDS, STATUSES, value_json
from playhead.store.arrow import ArrowTable, pa, pc
from playhead.store.database import SETTINGS
from playhead.store.schema import SPAN_COLUMNS
from playhead.store.span_marks import CALL, CALL_VALUES, MARKING_NAMES, MARKS

__all__ = ["SpanDecoder"]

_REQUEST = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest"
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
_EVENT = """
SELECT '{"name":' || to_json(name)::VARCHAR || ',"time_unix_nano":' || time_unix_nano::VARCHAR
  || ',"attributes":' || attributes || '}' AS item FROM items
"""
_LINK = """
SELECT '{"trace_id":"' || lower(hex(trace_id)) || '","span_id":"' || lower(hex(span_id))
  || '","attributes":' || attributes || '}' AS item FROM items
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
  attributes, resource, events, links, nullif(invocation_id, '') AS invocation_id, {MARKS}
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
        resources = requests.column(0).flatten()
        scope_lists = _list(resources, "scope_spans")
        scopes = scope_lists.flatten()
        span_lists = _list(scopes, "spans")
        spans = span_lists.flatten()
        own_scope = pc.list_parent_indices(span_lists)
        own_resource = pc.list_parent_indices(scope_lists).take(own_scope)
        attributes = self._attributes(_list(spans, "attributes"))
        resource = self._attributes(_list(_field(resources, "resource"), "attributes"))
        scope_names = pc.fill_null(_field(_field(scopes, "scope"), "name"), "")
        status = _field(spans, "status")
        table = pa.table({
            "trace_id": _field(spans, "trace_id"),
            "span_id": _field(spans, "span_id"),
            "parent_span_id": _field(spans, "parent_span_id"),
            "name": _field(spans, "name"),
            "kind": _field(spans, "kind"),
            "service_name": resource.text("service.name", "").take(own_resource),
            "scope_name": scope_names.take(own_scope),
            "start_unix_nano": _field(spans, "start_time_unix_nano"),
            "end_unix_nano": _field(spans, "end_time_unix_nano"),
            "pending": attributes.true(PENDING),
            "status_code": pc.fill_null(_field(status, "code"), 0),
            "status_message": pc.fill_null(_field(status, "message"), ""),
            "attributes": attributes.json,
            "resource": resource.json.take(own_resource),
            "events": self._items(_list(spans, "events"), _EVENT, "name", "time_unix_nano"),
            "links": self._items(_list(spans, "links"), _LINK, "trace_id", "span_id"),
            "invocation_id": attributes.text(INVOCATION_ID, None),
            MARKS: attributes.marks(),
        })  # fmt: skip
        return self._run(_SPANS, decoded=table).select([*SPAN_COLUMNS, MARKS])

    def _attributes(self, pairs: Any) -> _Attributes:
        """Return the attributes of each item of a list of KeyValue lists."""
        members = pairs.values
        value = _field(members, "value")
        number = _field(value, "double_value")
        keys = _field(members, "key").dictionary_encode()
        names: list[str] = keys.dictionary.to_pylist()
        # Few distinct keys stand for all: each is written as JSON once.
        quoted = pa.array(
            [f"{json.dumps(name, ensure_ascii=False)}:" for name in names], pa.string()
        )
        columns = {
            "quoted": pa.DictionaryArray.from_arrays(keys.indices, quoted),
            "text": _field(value, "string_value"),
            "whole": _field(value, "int_value"),
            "truth": _field(value, "bool_value"),
            "number": pc.if_else(pc.is_finite(number), number, pa.scalar(None, pa.float64())),
            "other": _other_values(value, number),
        }
        if len(members):
            text = self._run(_MEMBER, members=pa.table(columns)).column(0).combine_chunks()
        else:
            text = pa.array([], pa.string())
        places = {name: place for place, name in enumerate(names)}
        return _Attributes(pairs, keys.indices, places, columns, _joined(pairs, text, "{", "}"))

    def _items(self, lists: Any, sql: str, *names: str) -> Any:
        """Return the events or links of each span as JSON."""
        items = lists.values
        if not len(items):
            return pa.array(["[]"] * len(lists), pa.string())
        columns = {name: _field(items, name) for name in names}
        columns["attributes"] = self._attributes(_list(items, "attributes")).json
        text = self._run(sql, items=pa.table(columns)).column(0).combine_chunks()
        return _joined(lists, text, "[", "]")

    def _run(self, sql: str, **tables: ArrowTable) -> ArrowTable:
        for name, table in tables.items():
            self._connection.register(name, table)
        try:
            return self._connection.sql(sql).to_arrow_table()
        finally:
            for name in tables:
                self._connection.unregister(name)


@dataclass(frozen=True, slots=True)
class _Attributes:
    """The attributes of spans, resources, events or links."""

    lists: Any
    keys: Any
    """The name of each member, as its place in `names`."""
    names: dict[str, int]
    columns: dict[str, Any]
    json: Any
    """One JSON object for each list."""

    def text(self, name: str, default: str | None) -> Any:
        """Return the text of one attribute for each list."""
        return self._values(name, "text", pa.string(), default)

    def true(self, name: str) -> Any:
        """Return for each list whether a boolean attribute is true."""
        return self._values(name, "truth", pa.bool_(), False)

    def marks(self) -> Any:
        """Return the marks for each list; see `playhead.store.span_marks`."""
        marks = bytearray(len(self.lists))
        for name, mark in MARKING_NAMES.items():
            for owner in self._owners(self._members(name)):
                marks[owner] |= mark
        for name, kinds in CALL_VALUES.items():
            members = self._members(name)
            if members is not None:
                accepted = pc.is_in(self.columns["text"], pa.array(sorted(kinds), pa.string()))
                for owner in self._owners(pc.and_(members, accepted)):
                    marks[owner] |= CALL
        return pa.Array.from_buffers(pa.uint8(), len(marks), [None, pa.py_buffer(marks)])

    def _members(self, name: str) -> Any:
        """Return which members have this name; None if none has."""
        place = self.names.get(name)
        return None if place is None else pc.equal(self.keys, place)

    def _owners(self, members: Any) -> list[int]:
        """Return the list that each of these members is in."""
        if members is None:
            return []
        return pc.list_parent_indices(self.lists).filter(members).to_pylist()

    def _values(self, name: str, column: str, kind: Any, default: Any) -> Any:
        found: list[Any] = [default] * len(self.lists)
        chosen = self._members(name)
        if chosen is not None:
            values = self.columns[column].filter(chosen).to_pylist()
            for owner, value in zip(self._owners(chosen), values, strict=True):
                found[owner] = default if value is None else value
        return pa.array(found, kind)


def _joined(lists: Any, texts: Any, opening: str, closing: str) -> Any:
    """Join the texts of each list by commas, between brackets."""
    joined = pc.binary_join(pa.ListArray.from_arrays(lists.offsets, texts), ",")
    return pc.binary_join_element_wise(opening, pc.fill_null(joined, ""), closing, "")


_field = pc.struct_field


def _list(parent: Any, name: str) -> Any:
    """Return a list field of a struct array, an empty list where the struct is missing."""
    lists = _field(parent, name)
    if not lists.null_count:
        return lists
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    return pa.ListArray.from_arrays(offsets, lists.flatten())


def _other_values(value: Any, number: Any) -> Any:
    """Return the JSON of arrays, maps, bytes, NaN and infinities; null for other values."""
    length = len(value)
    found: Any = pa.nulls(length, pa.string())
    for field, decode in (
        ("array_value", _array_json),
        ("kvlist_value", _map_json),
        ("bytes_value", _bytes_json),
    ):
        raw = _field(value, field)
        if raw.null_count < length:
            distinct = raw.dictionary_encode()
            texts = pa.array([decode(item.as_py()) for item in distinct.dictionary], pa.string())
            found = pc.coalesce(found, texts.take(distinct.indices))
    if number.null_count < length:
        endless = pc.invert(pc.is_finite(number))
        if pc.any(endless).as_py():
            texts = pa.array([
                None if item is None or math.isfinite(item) else f'"{item}"'
                for item in number.to_pylist()
            ], pa.string())  # fmt: skip
            found = pc.coalesce(found, texts)
    return found


def _array_json(raw: bytes) -> str:
    return value_json(AnyValue(array_value=ArrayValue.FromString(raw)))


def _map_json(raw: bytes) -> str:
    return value_json(AnyValue(kvlist_value=KeyValueList.FromString(raw)))


def _bytes_json(raw: bytes) -> str:
    return value_json(AnyValue(bytes_value=raw))


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
