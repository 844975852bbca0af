"""OTLP requests from spans of the store.

Requests are written in protobuf's wire format directly, because objects of the protobuf library for
each span take half of the time of an export; https://protobuf.dev/programming-guides/encoding. The
library encodes what is rare: events, links, lists and maps.

The store keeps attributes as JSON, with the types that JSON cannot express in columns of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from playhead.export.exact_values import restored, with_types
from playhead.export.otlp_messages import (
    add_attributes,
    events_and_links,
    resource_of,
    scope_of,
    shared_resource,
    shared_scope,
)
from playhead.export.stored_spans import StoredSpan, span_key

if TYPE_CHECKING:
    from playhead.store.arrow import ArrowTable

__all__ = [
    "KIND_NUMBERS",
    "STATUS_NUMBERS",
    "EncodedSpan",
    "batches",
    "encode",
    "encoded_span",
    "encoded_spans",
]

BATCH_BYTES = 1_000_000
"""Approximate size of a request. Many targets refuse more than 4 MiB for good."""

KIND_NUMBERS: Mapping[str, int] = {
    "unspecified": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5,
}  # fmt: skip
STATUS_NUMBERS: Mapping[str, int] = {"unset": 0, "ok": 1, "error": 2}
_CACHED_BYTES = 200
_CACHED_ATTRIBUTES = 20_000
_attributes: dict[tuple[str, Any, type], bytes] = {}
_raws: dict[tuple[str, bytes], bytes] = {}
"""Short attributes as bytes, because most of them repeat: by their value, and by its JSON."""

_SPANS, _SCOPE_SPANS, _RESOURCE_SPANS = 0x12, 0x12, 0x0A
"""First bytes of the fields of a request: their numbers and types."""
_NAME, _KIND, _ATTRIBUTE, _STATUS, _MESSAGE, _CODE = 0x2A, 0x30, 0x4A, 0x7A, 0x12, 0x18
"""First bytes of the fields of a span and its status."""
_TRACE_STATE, _DROPPED = 0x1A, (0x50, 0x60, 0x70)
"""First bytes of fields of a span that are seldom set."""
_FLAGS = struct.Struct("<2sI")
_FLAGS_FIELD = b"\x85\x01"
_KEY, _VALUE, _STRING = 0x0A, 0x12, 0x0A
"""First bytes of the fields of an attribute, and of a value that is text."""
_TRACE_ID, _SPAN_ID, _PARENT_ID = b"\x0a\x10", b"\x12\x08", b"\x22\x08"
"""First bytes of the ids, with their lengths."""
_TIMES = struct.Struct("<BQBQ")
_START, _END = 0x39, 0x41
_QUOTE, _BACKSLASH = 0x22, b"\\"

_values_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode = msgspec.json.Decoder().decode


def _long_varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


_VARINTS = tuple(map(_long_varint, range(4096)))
"""Small numbers in the encoding of protobuf."""


class EncodedSpan(NamedTuple):
    """A span as a part of a request."""

    key: int
    """Number that identifies the span."""
    start: int
    resource: bytes
    """Its resource, as fields of ResourceSpans."""
    scope: bytes
    """Its scope, as fields of ScopeSpans."""
    body: bytes
    """The span as a field of ScopeSpans."""

    @property
    def size(self) -> int:
        """Size in bytes, without that of the resource."""
        return len(self.body)


_Span = TypeVar("_Span", StoredSpan, EncodedSpan)


def batches(spans: Iterable[_Span], limit: int = BATCH_BYTES) -> Iterator[list[_Span]]:
    """Yield the spans in lists of at most `limit` bytes; a larger span is in a list of its own."""
    batch: list[_Span] = []
    size = 0
    for span in spans:
        if batch and size + span.size > limit:
            yield batch
            batch, size = [], 0
        batch.append(span)
        size += span.size
    if batch:
        yield batch


def encode(spans: Iterable[EncodedSpan]) -> bytes:
    """Return an ExportTraceServiceRequest with these spans, grouped by resource and scope."""
    groups: dict[bytes, dict[bytes, list[bytes]]] = {}
    for span in spans:
        groups.setdefault(span.resource, {}).setdefault(span.scope, []).append(span.body)
    return b"".join(
        _field(
            _RESOURCE_SPANS,
            b"".join([
                resource,
                *(
                    _field(_SCOPE_SPANS, b"".join([scope, *members]))
                    for scope, members in scopes.items()
                ),
            ]),
        )
        for resource, scopes in groups.items()
    )  # fmt: skip


def encoded_spans(table: ArrowTable) -> list[EncodedSpan]:
    """Encode rows of `spans` as they are, by trace and start."""
    columns = [column.to_pylist() for column in table.columns]
    rows = sorted(zip(*columns, strict=True), key=lambda row: (row[0], row[7], row[1]))
    return [_encoded_row(*row) for row in rows]


def _encoded_row(*row: Any) -> EncodedSpan:
    (
        trace_id, span_id, parent_span_id, name, kind, _, scope_name, start, end, status, message,
        attributes, resource, events, links, _,
        trace_state, flags, dropped_attributes, dropped_events, dropped_links, types, scope, others,
    ) = row  # fmt: skip
    values = _values_of(attributes)
    if types is not None:
        parts = _typed_parts(values, _decode(types))
    else:
        parts = [_raw(key, bytes(raw)) for key, raw in values.items()]
    if events != "[]" or links != "[]":
        parts.append(
            events_and_links(map(with_types, _decode(events)), map(with_types, _decode(links)))
        )
    dropped = (dropped_attributes, dropped_events, dropped_links)
    if trace_state or flags or any(dropped):
        parts.append(_rest(trace_state or "", flags or 0, dropped))
    body = _body(
        trace_id, span_id, parent_span_id, name, kind, start, end, status, message, parts
    )  # fmt: skip
    return EncodedSpan(
        span_key(trace_id, span_id), start, resource_of(resource, others or "{}"),
        scope_of(scope_name, scope or "{}"), body,
    )  # fmt: skip


def encoded_span(span: StoredSpan) -> EncodedSpan:
    """Encode one span."""
    parts = [_attribute(name, value) for name, value in span.attributes.items()]
    if span.events or span.links:
        parts.append(events_and_links(span.events, span.links))
    if span.trace_state or span.flags or any(span.dropped):
        parts.append(_rest(span.trace_state, span.flags, span.dropped))
    body = _body(
        span.trace_id, span.span_id, span.parent_span_id, span.name, span.kind,
        span.start_unix_nano, span.end_unix_nano, span.status_code, span.status_message, parts,
    )  # fmt: skip
    resource = shared_resource(span.resource, span.resource_details)
    scope = shared_scope(span.scope_name, span.scope)
    return EncodedSpan(span.key, span.start_unix_nano, resource, scope, body)


def _body(
    trace_id: str,
    span_id: str,
    parent_span_id: str | None,
    name: str,
    kind: str,
    start: int,
    end: int,
    status: str,
    message: str,
    parts: Sequence[bytes],
) -> bytes:
    """Return a span as a field of ScopeSpans; `parts` are its other fields."""
    number = KIND_NUMBERS.get(kind)
    code = b""
    if status != "unset" or message:
        value = STATUS_NUMBERS.get(status)
        text = _field(_MESSAGE, message.encode()) if message else b""
        code = _field(_STATUS, text + _number(_CODE, int(status) if value is None else value))
    return _field(
        _SPANS,
        b"".join([
            _TRACE_ID, bytes.fromhex(trace_id),
            _SPAN_ID, bytes.fromhex(span_id),
            _PARENT_ID + bytes.fromhex(parent_span_id) if parent_span_id else b"",
            _field(_NAME, name.encode()),
            _number(_KIND, int(kind) if number is None else number),
            _TIMES.pack(_START, start, _END, end),
            *parts,
            code,
        ]),
    )  # fmt: skip


def _rest(trace_state: str, flags: int, dropped: Sequence[int | None]) -> bytes:
    """Return the fields of a span that are seldom set."""
    counts = zip(_DROPPED, dropped, strict=True)
    return b"".join([
        _field(_TRACE_STATE, trace_state.encode()) if trace_state else b"",
        *(_number(first, count) for first, count in counts if count),
        _FLAGS.pack(_FLAGS_FIELD, flags) if flags else b"",
    ])  # fmt: skip


def _field(first: int, content: bytes) -> bytes:
    """Return a field with a length."""
    return _VARINTS[first] + _varint(len(content)) + content


def _number(first: int, value: int) -> bytes:
    """Return a field with a number."""
    return _VARINTS[first] + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def _varint(value: int) -> bytes:
    return _VARINTS[value] if value < len(_VARINTS) else _long_varint(value)


def _raw(name: str, raw: bytes) -> bytes:
    """Encode an attribute whose value is JSON."""
    if len(raw) > _CACHED_BYTES:
        return _raw_value(name, raw)
    found = _raws.get((name, raw))
    if found is None:
        if len(_raws) >= _CACHED_ATTRIBUTES:
            _raws.clear()
        found = _raws[name, raw] = _raw_value(name, raw)
    return found


def _raw_value(name: str, raw: bytes) -> bytes:
    if raw[0] == _QUOTE and _BACKSLASH not in raw:
        return _text(name, raw[1:-1])
    value = _decode(raw)
    return _text(name, value.encode()) if isinstance(value, str) else _any(name, value)


def _typed_parts(values: Mapping[str, msgspec.Raw], types: Mapping[str, Any]) -> list[bytes]:
    """Encode attributes, some of which have types that JSON cannot express."""
    return [
        _any(key, restored({key: _decode(raw)}, types)[key])
        if key in types
        else _raw(key, bytes(raw))
        for key, raw in values.items()
    ]


def _attribute(name: str, value: Any) -> bytes:
    """Encode an attribute."""
    kind: type = value.__class__
    if kind is list or kind is dict:
        return _any(name, value)
    if isinstance(value, str) and len(value) > _CACHED_BYTES:
        return _text(name, value.encode()) if kind is str else _any(name, value)
    if kind is float and not value:
        return _any(name, value)  # 0.0 and -0.0 are equal
    # True, 1 and 1.0 are equal keys of a dict.
    key = (name, value, kind)
    found = _attributes.get(key)
    if found is None:
        if len(_attributes) >= _CACHED_ATTRIBUTES:
            _attributes.clear()
        found = _text(name, value.encode()) if kind is str else _any(name, value)
        _attributes[key] = found
    return found


def _text(name: str, value: bytes) -> bytes:
    """Return a text attribute of a span."""
    return _field(_ATTRIBUTE, _key(name) + _field(_VALUE, _field(_STRING, value)))


@lru_cache(maxsize=4096)
def _key(name: str) -> bytes:
    """Return the field with the name of an attribute."""
    return _field(_KEY, name.encode())


def _any(name: str, value: Any) -> bytes:
    """Return an attribute of a span."""
    span = Span()
    add_attributes(span.attributes, {name: value})
    return span.SerializeToString()
