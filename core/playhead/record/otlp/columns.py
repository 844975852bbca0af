"""Rows of `spans` from many binary OTLP requests, decoded column by column.

ptars converts the requests to Arrow, and DuckDB writes the attributes of spans as JSON. AnyValue is
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
from playhead.record.otlp.attributes import (
    AttributeLists,
    entities,
    field,
    joined,
    list_field,
    other_values,
    types_of,
)
from playhead.record.otlp.rows import KINDS, STATUSES
from playhead.record.otlp.texts import (
    details,
    enumerated,
    hex_text,
    is_default,
    json_number,
    json_text,
    members,
    unless,
)
from playhead.store.arrow import ArrowTable, pa, pc
from playhead.store.arrow_source import ArrowSource
from playhead.store.database_settings import SETTINGS
from playhead.store.span_marks import MARKS
from playhead.store.tables import SPAN_COLUMNS

__all__ = ["SpanDecoder"]

_REQUEST = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest"
_COUNTS = (
    "flags", "dropped_attributes_count", "dropped_events_count", "dropped_links_count",
)  # fmt: skip
"""Fields of spans that become columns of the same names, null for 0."""
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
FEW_MEMBERS = 500
"""Attributes below which Python writes them faster than DuckDB plans a query."""
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


class SpanDecoder:
    """A decoder of requests; use it in one thread at a time."""

    def __init__(self) -> None:
        self._handler: Any = _handler()
        self._connection = duckdb.connect(config={**SETTINGS, "threads": 1})
        self._members = ArrowSource("members")

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
        trace_id, span_id = hex_text(field(spans, "trace_id")), hex_text(field(spans, "span_id"))
        parent = hex_text(field(spans, "parent_span_id"))
        parent_length = pc.binary_length(parent)
        trace_state = field(spans, "trace_state")
        end = field(spans, "end_time_unix_nano")
        invocation = attributes.text(INVOCATION_ID, None)
        counts = {name: field(spans, name) for name in _COUNTS}
        columns = {
            "trace_id": trace_id,
            "span_id": span_id,
            "parent_span_id": unless(
                pc.or_(pc.equal(parent_length, 0), pc.equal(parent, _NO_SPAN)), parent
            ),
            "name": field(spans, "name"),
            "kind": enumerated(field(spans, "kind"), KINDS),
            "service_name": resource.text("service.name", "").take(own_resource),
            "scope_name": pc.fill_null(field(scopes, "name"), "").take(own_scope),
            "start_unix_nano": field(spans, "start_time_unix_nano"),
            "end_unix_nano": unless(pc.or_(is_default(end), attributes.true(PENDING)), end),
            "status_code": enumerated(pc.fill_null(field(status, "code"), 0), STATUSES),
            "status_message": pc.fill_null(field(status, "message"), ""),
            "attributes": attributes.json,
            "resource": resource.json.take(own_resource),
            "events": self._events(list_field(spans, "events")),
            "links": self._links(list_field(spans, "links")),
            "invocation_id": unless(is_default(invocation), invocation),
            "trace_state": unless(is_default(trace_state), trace_state),
            **{name: unless(is_default(count), count) for name, count in counts.items()},
            "attribute_types": attributes.types,
            "scope": self._scopes(scope_spans, scopes).take(own_scope),
            "resource_details": details(
                schema_url=field(resource_spans, "schema_url"),
                dropped_attributes_count=field(resources, "dropped_attributes_count"),
                attribute_types=resource.types,
                entity_refs=entities(list_field(resources, "entity_refs")),
            ).take(own_resource),
            MARKS: attributes.marks(),
        }  # fmt: skip
        table = pa.table(columns).select([*SPAN_COLUMNS, MARKS])
        is_valid = functools.reduce(pc.and_, (
            pc.equal(pc.binary_length(trace_id), 32), pc.not_equal(trace_id, _NO_TRACE),
            pc.equal(pc.binary_length(span_id), 16), pc.not_equal(span_id, _NO_SPAN),
            pc.is_in(parent_length, pa.array([0, 16], parent_length.type)),
        ))  # fmt: skip
        return table if pc.all(is_valid).as_py() else table.filter(is_valid)

    def _scopes(self, scope_spans: Any, scopes: Any) -> Any:
        """Return the details of scopes as JSON; null for those without any."""
        attributes = self._attributes(list_field(scopes, "attributes"))
        return details(
            version=field(scopes, "version"),
            attributes=attributes.json,
            schema_url=field(scope_spans, "schema_url"),
            dropped_attributes_count=field(scopes, "dropped_attributes_count"),
            attribute_types=attributes.types,
        )

    def _attributes(self, pairs: Any) -> AttributeLists:
        """Return the attributes of each item of a list of KeyValue lists."""
        value = field(pairs.values, "value")
        number = field(value, "double_value")
        keys = field(pairs.values, "key").dictionary_encode()
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
        if len(pairs.values) < FEW_MEMBERS:
            text = _member_texts(columns)
        else:
            with self._members.rows(self._connection, pa.table(columns)):
                rows = self._connection.sql(self._members.prepared(_MEMBER)).to_arrow_table()
            text = rows.column(0).combine_chunks()
        places = {name: place for place, name in enumerate(names)}
        return AttributeLists(
            pairs, keys.indices, places, columns, joined(pairs, text, "{", "}"),
            types_of(pairs, columns["quoted"], types),
        )  # fmt: skip

    def _events(self, lists: Any) -> Any:
        """Return the events of each span as JSON."""
        items = lists.values
        return self._objects(
            lists,
            '"name":', json_text(field(items, "name")),
            ',"time_unix_nano":', json_number(field(items, "time_unix_nano")),
        )  # fmt: skip

    def _links(self, lists: Any) -> Any:
        """Return the links of each span as JSON."""
        items = lists.values
        return self._objects(
            lists,
            '"trace_id":"', hex_text(field(items, "trace_id")),
            '","span_id":"', hex_text(field(items, "span_id")), '"',
            trace_state=field(items, "trace_state"), flags=field(items, "flags"),
        )  # fmt: skip

    def _objects(self, lists: Any, *first: Any, **optional: Any) -> Any:
        """Return the events or links of each span as JSON.

        Args:
            lists: The lists of them.
            first: The texts of their first members.
            optional: Members that are left out where they are not set.
        """
        items = lists.values
        if not len(items):
            return pa.repeat("[]", len(lists))
        attributes = self._attributes(list_field(items, "attributes"))
        others = members(
            **optional,
            dropped_attributes_count=field(items, "dropped_attributes_count"),
            attribute_types=attributes.types,
        )
        text = pc.binary_join_element_wise(
            "{", *first, ',"attributes":', attributes.json, others, "}", ""
        )
        return joined(lists, text, "[", "]")


def _member_texts(columns: dict[str, Any]) -> Any:
    """Return a few members of JSON objects, as `_MEMBER` does."""
    texts: list[str] = []
    for name, text, whole, truth, number, other in zip(
        *(column.to_pylist() for column in columns.values()), strict=True
    ):
        first = next((one for one in (text, whole, truth, number) if one is not None), None)
        value = other or "null" if first is None else json.dumps(first, ensure_ascii=False)
        texts.append(f"{name}{value}")
    return pa.array(texts, pa.string())


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
