"""OTLP requests from spans of the store.

Requests are written in protobuf's wire format directly, because objects of the protobuf library for
each span take half of the time of an export; https://protobuf.dev/programming-guides/encoding. The
library encodes what is rare: events, links, lists and maps.

The store keeps attributes as JSON: bytes are base64 text there, NaN and infinities are text, and
they are exported as text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

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
LEAST, MOST = -(2**63), 2**63
_CACHED_BYTES = 200
_CACHED_ATTRIBUTES = 20_000
_attributes: dict[tuple[str, Any, type], bytes] = {}
_raws: dict[tuple[str, bytes], bytes] = {}
"""Short attributes as bytes, because most of them repeat: by their value, and by its JSON."""
_resources: dict[int, tuple[Mapping[str, Any], bytes]] = {}
"""Resources by the identity of their attributes, which spans share."""
_CACHED_RESOURCES = 4096

_SPANS, _RESOURCE, _SCOPE, _SCOPE_SPANS, _RESOURCE_SPANS = 0x12, 0x0A, 0x0A, 0x12, 0x0A
"""First bytes of the fields of a request: their numbers and types."""
_NAME, _KIND, _ATTRIBUTE, _STATUS, _MESSAGE, _CODE = 0x2A, 0x30, 0x4A, 0x7A, 0x12, 0x18
"""First bytes of the fields of a span and its status."""
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
    """The message of its resource."""
    scope: str
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
    groups: dict[bytes, dict[str, list[bytes]]] = {}
    for span in spans:
        groups.setdefault(span.resource, {}).setdefault(span.scope, []).append(span.body)
    return b"".join(
        _field(
            _RESOURCE_SPANS,
            b"".join([
                _field(_RESOURCE, resource),
                *(
                    _field(_SCOPE_SPANS, b"".join([_scope(name), *members]))
                    for name, members in scopes.items()
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
        trace_id, span_id, parent_span_id, name, kind, _, scope, start, end, status, message,
        attributes, resource, events, links, _,
    ) = row  # fmt: skip
    parts = [_raw(key, bytes(raw)) for key, raw in _values_of(attributes).items()]
    if events != "[]" or links != "[]":
        parts.append(_events_and_links(_decode(events), _decode(links)))
    body = _body(
        trace_id, span_id, parent_span_id, name, kind, start, end, status, message, parts
    )  # fmt: skip
    return EncodedSpan(span_key(trace_id, span_id), start, _resource(resource), scope, body)


def encoded_span(span: StoredSpan) -> EncodedSpan:
    """Encode one span."""
    parts = [_attribute(name, value) for name, value in span.attributes.items()]
    if span.events or span.links:
        parts.append(_events_and_links(span.events, span.links))
    body = _body(
        span.trace_id, span.span_id, span.parent_span_id, span.name, span.kind,
        span.start_unix_nano, span.end_unix_nano, span.status_code, span.status_message, parts,
    )  # fmt: skip
    resource = _shared_resource(span.resource)
    return EncodedSpan(span.key, span.start_unix_nano, resource, span.scope_name, body)


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
    """Return a span as a field of ScopeSpans; `parts` are its attributes, events and links."""
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


def _attribute(name: str, value: Any) -> bytes:
    """Encode an attribute."""
    kind: type = value.__class__
    if kind is list or kind is dict:
        return _any(name, value)
    if kind is str and len(value) > _CACHED_BYTES:
        return _text(name, value.encode())
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
    _add_attributes(span.attributes, {name: value})
    return span.SerializeToString()


def _events_and_links(
    events: Sequence[Mapping[str, Any]], links: Sequence[Mapping[str, Any]]
) -> bytes:
    span = Span()
    for event in events:
        added = span.events.add()
        added.name = event["name"]
        added.time_unix_nano = event["time_unix_nano"]
        _add_attributes(added.attributes, event["attributes"])
    for link in links:
        linked = span.links.add()
        linked.trace_id = bytes.fromhex(link["trace_id"])
        linked.span_id = bytes.fromhex(link["span_id"])
        _add_attributes(linked.attributes, link["attributes"])
    return span.SerializeToString()


@lru_cache(maxsize=_CACHED_RESOURCES)
def _resource(text: str) -> bytes:
    """Return the message of a resource."""
    resource = Resource()
    _add_attributes(resource.attributes, _decode(text))
    return resource.SerializeToString()


def _shared_resource(attributes: Mapping[str, Any]) -> bytes:
    found = _resources.get(id(attributes))
    if found is None or found[0] is not attributes:
        resource = Resource()
        _add_attributes(resource.attributes, attributes)
        if len(_resources) >= _CACHED_RESOURCES:
            _resources.clear()
        found = _resources[id(attributes)] = (attributes, resource.SerializeToString())
    return found[1]


@lru_cache(maxsize=1024)
def _scope(name: str) -> bytes:
    """Return a scope as a field of ScopeSpans."""
    return _field(_SCOPE, InstrumentationScope(name=name).SerializeToString())


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
        _add_attributes(message.kvlist_value.values, cast("dict[str, Any]", value))
