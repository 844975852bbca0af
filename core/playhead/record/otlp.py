"""Rows of `spans` from OTLP trace requests, protobuf or JSON."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from playhead.conventions import INVOCATION_ID, PENDING
from playhead.errors import MalformedRequestError
from playhead.store.span_writer import SpanRow

__all__ = ["DecodedSpans", "from_json", "from_message", "from_protobuf"]

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)

_encode: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False
).encode


@dataclass
class DecodedSpans:
    """Spans of a request: rows for the store, and the number of rejected ones."""

    rows: list[SpanRow] = field(default_factory=list[SpanRow])
    rejected: int = 0
    reason: str = ""
    """Reason of the first rejection."""

    def reject(self, reason: str) -> None:
        """Count a rejected span."""
        self.rejected += 1
        self.reason = self.reason or reason

    def response(self) -> ExportTraceServiceResponse:
        """Return the answer to the sender: empty, or the number and reason of rejections."""
        answer = ExportTraceServiceResponse()
        if self.rejected:
            answer.partial_success.rejected_spans = self.rejected
            answer.partial_success.error_message = self.reason
        return answer


def from_protobuf(body: bytes) -> DecodedSpans:
    """Decode a binary ExportTraceServiceRequest. Raises MalformedRequestError."""
    try:
        return from_message(ExportTraceServiceRequest.FromString(body))
    except DecodeError as error:
        raise MalformedRequestError(
            f"the body is not an ExportTraceServiceRequest: {error}"
        ) from error


def from_json(body: bytes) -> DecodedSpans:
    """Decode OTLP/JSON: ids are hex, 64-bit integers are strings or numbers.

    Raises:
        MalformedRequestError: The body is not OTLP/JSON.
    """
    try:
        document: Any = json.loads(body)
        if not isinstance(document, dict):
            raise MalformedRequestError("the JSON document is not an object")
        _hex_to_base64(cast("dict[str, Any]", document))
        message = ExportTraceServiceRequest()
        json_format.ParseDict(cast("dict[str, Any]", document), message, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise MalformedRequestError(
            f"the body is not an ExportTraceServiceRequest: {error}"
        ) from error
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise MalformedRequestError(f"the body is not OTLP/JSON: {error}") from error
    except RecursionError as error:
        raise MalformedRequestError("the JSON document is nested too deeply") from error
    return from_message(message)


def _hex_to_base64(document: dict[str, Any]) -> None:
    """Convert ids from hex, as OTLP writes them, to base64, as protobuf's JSON mapping does."""
    for resource in document.get("resourceSpans") or ():
        for scope in resource.get("scopeSpans") or ():
            for span in scope.get("spans") or ():
                for owner in (span, *(span.get("links") or ())):
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if value := owner.get(name):
                            owner[name] = base64.b64encode(bytes.fromhex(value)).decode()


def from_message(message: ExportTraceServiceRequest) -> DecodedSpans:
    """Return the spans of a parsed request."""
    spans = DecodedSpans()
    for resource_spans in message.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        service = str(resource.get("service.name", ""))
        resource_text = _encode(resource)
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name
            for span in scope_spans.spans:
                _append(spans, span, service, scope, resource_text)
    return spans


def _append(spans: DecodedSpans, span: Span, service: str, scope: str, resource: str) -> None:
    trace_id, span_id, parent = span.trace_id, span.span_id, span.parent_span_id
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        return spans.reject("a trace id is not 16 bytes long, or all its bytes are zero")
    if len(span_id) != 8 or span_id == _NO_SPAN:
        return spans.reject("a span id is not 8 bytes long, or all its bytes are zero")
    if len(parent) not in (0, 8):
        return spans.reject("a parent span id is not 8 bytes long")
    attributes = _attributes(span.attributes)
    invocation = attributes.get(INVOCATION_ID)
    end = None if attributes.get(PENDING) is True else span.end_time_unix_nano or None
    kind, status = span.kind, span.status
    spans.rows.append((
        trace_id.hex(),
        span_id.hex(),
        parent.hex() if parent and parent != _NO_SPAN else None,
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
        _events(span.events) if span.events else "[]",
        _links(span.links) if span.links else "[]",
        invocation if isinstance(invocation, str) and invocation else None,
    ))  # fmt: skip
    return None


def _events(events: Iterable[Span.Event]) -> str:
    return _encode(
        [
            {
                "name": event.name,
                "time_unix_nano": event.time_unix_nano,
                "attributes": _attributes(event.attributes),
            }
            for event in events
        ]
    )


def _links(links: Iterable[Span.Link]) -> str:
    return _encode(
        [
            {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "attributes": _attributes(link.attributes),
            }
            for link in links
        ]
    )


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        # Most values are text: finding out which field is set costs as much as reading it.
        found[pair.key] = value.string_value or _value(value)
    return found


def _value(value: AnyValue) -> Any:
    """Return an attribute's value for JSON: bytes as base64, NaN and infinities as text."""
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
