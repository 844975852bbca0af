"""OTLP requests from spans of the store.

Requests are written in protobuf's wire format directly. The library encodes what is rare: events,
links, lists and maps.

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
    LEAST,
    MOST,
    add_attributes,
    events_and_links,
    resource_of,
    scope_of,
    shared_resource,
    shared_scope,
)
from playhead.export.stored_spans import BY_TRACE, StoredSpan, span_key
from playhead.record.otlp.wire_format import (
    PARENT_ID,
    RESOURCE_SPANS,
    SCOPE_SPANS,
    SPAN_ID,
    SPANS,
    TRACE_ID,
    field,
    name_and_kind,
    number_field,
    status_field,
    text_attribute,
    times,
    whole_number_attribute,
)

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
_TRACE_STATE, _DROPPED = 0x1A, (0x50, 0x60, 0x70)
"""First bytes of fields of a span that are seldom set."""
_FLAGS = struct.Struct("<2sI")
_FLAGS_FIELD = b"\x85\x01"

_decode = msgspec.json.Decoder().decode


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
        field(
            RESOURCE_SPANS,
            b"".join([
                resource,
                *(
                    field(SCOPE_SPANS, b"".join([scope, *members]))
                    for scope, members in scopes.items()
                ),
            ]),
        )
        for resource, scopes in groups.items()
    )  # fmt: skip


def encoded_spans(table: ArrowTable) -> list[EncodedSpan]:
    """Encode rows of `spans` as they are, by trace and start."""
    columns = [column.to_pylist() for column in table.columns]
    return [_encoded_row(*row) for row in sorted(zip(*columns, strict=True), key=BY_TRACE)]


def _encoded_row(*row: Any) -> EncodedSpan:
    (
        trace_id, span_id, parent_span_id, name, kind, _, scope_name, start, end, status, message,
        attributes, resource, events, links, _,
        trace_state, flags, dropped_attributes, dropped_events, dropped_links, types, scope, others,
    ) = row  # fmt: skip
    values = _decode(attributes)
    parts = _attributes(restored(values, _decode(types)) if types else values)
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
    parts = _attributes(span.attributes)
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
        code = status_field(int(status) if value is None else value, message)
    return field(
        SPANS,
        b"".join([
            TRACE_ID, bytes.fromhex(trace_id),
            SPAN_ID, bytes.fromhex(span_id),
            PARENT_ID + bytes.fromhex(parent_span_id) if parent_span_id else b"",
            name_and_kind(name, int(kind) if number is None else number),
            times(start, end),
            *parts,
            code,
        ]),
    )  # fmt: skip


def _rest(trace_state: str, flags: int, dropped: Sequence[int | None]) -> bytes:
    """Return the fields of a span that are seldom set."""
    counts = zip(_DROPPED, dropped, strict=True)
    return b"".join([
        field(_TRACE_STATE, trace_state.encode()) if trace_state else b"",
        *(number_field(first, count) for first, count in counts if count),
        _FLAGS.pack(_FLAGS_FIELD, flags) if flags else b"",
    ])  # fmt: skip


def _attributes(attributes: Mapping[str, Any]) -> list[bytes]:
    """Encode the attributes of a span."""
    return [
        text_attribute(name, value.encode()) if value.__class__ is str else _attribute(name, value)
        for name, value in attributes.items()
    ]


def _attribute(name: str, value: Any) -> bytes:
    """Encode an attribute that is not text."""
    kind: type = value.__class__
    if kind is int and LEAST <= value < MOST:
        return whole_number_attribute(name, value)
    if kind is bool:
        return _boolean(name, value)
    return _any(name, value)


@lru_cache(maxsize=1024)
def _boolean(name: str, value: bool) -> bytes:
    return _any(name, value)


def _any(name: str, value: Any) -> bytes:
    """Return an attribute of a span."""
    span = Span()
    add_attributes(span.attributes, {name: value})
    return span.SerializeToString()
