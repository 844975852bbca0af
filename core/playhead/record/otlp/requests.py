"""OTLP trace requests, protobuf or JSON: the check that precedes the acknowledgement."""

from __future__ import annotations

import base64
import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec.json
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from playhead.conventions import PENDING
from playhead.errors import MalformedRequestError, RequestBodyError
from playhead.record.otlp.json_requests import fill_request, parse_traces

__all__ = [
    "Inspection",
    "inspect_json",
    "inspect_protobuf",
    "invalid_ids",
    "request_from_json",
]

LARGEST_WEIGHT = 64 * 1024 * 1024
"""Largest weight of a request; see `Inspection.weight`."""
SPAN_WEIGHT = 200
FIRST_SPANS = 32
"""Spans of a scope whose end is noted; the first ones ended first."""
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)

_encode_json = msgspec.json.Encoder().encode


@dataclass
class Inspection:
    """Result of the check that precedes the acknowledgement of a request."""

    body: bytes
    """The request as a binary ExportTraceServiceRequest."""
    spans: int = 0
    """Number of spans to store."""
    reasons: Counter[str] = field(default_factory=Counter[str])
    """Number of rejected spans by reason."""
    first_ends: dict[str, int] = field(default_factory=dict[str, int])
    """Earliest end among the first spans by service, in nanoseconds since 1970."""
    weight: int = 0
    """Estimated size of its rows in bytes: each span has a copy of its resource and scope."""

    @property
    def rejected(self) -> int:
        """Return the number of spans that are not stored."""
        return self.reasons.total()

    def response(self) -> ExportTraceServiceResponse:
        """Return the answer to the sender: empty, or the number and first reason of rejections."""
        answer = ExportTraceServiceResponse()
        if self.rejected:
            answer.partial_success.rejected_spans = self.rejected
            answer.partial_success.error_message = next(iter(self.reasons))
        return answer


def inspect_protobuf(body: bytes) -> Inspection:
    """Check a binary ExportTraceServiceRequest.

    Raises:
        MalformedRequestError: The body is not such a request.
        RequestBodyError: Its rows would be too large.
    """
    return _inspect(_parse_protobuf(body), body)


def inspect_json(body: bytes) -> Inspection:
    """Check an OTLP/JSON request: ids are hex, 64-bit integers are strings or numbers.

    Raises:
        MalformedRequestError: The body is not OTLP/JSON.
        RequestBodyError: Its rows would be too large.
    """
    message = request_from_json(body)
    return _inspect(message, message.SerializeToString())


def _parse_protobuf(body: bytes) -> ExportTraceServiceRequest:
    try:
        return ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise MalformedRequestError(
            f"the body is not an ExportTraceServiceRequest: {error}"
        ) from error


def _inspect(message: ExportTraceServiceRequest, body: bytes) -> Inspection:
    found = Inspection(body)
    found.weight = len(body)
    for resource_spans in message.resource_spans:
        resource_bytes = resource_spans.resource.ByteSize() + len(resource_spans.schema_url)
        if found.spans < FIRST_SPANS:
            _note_ends(found.first_ends, resource_spans)
        for scope_spans in resource_spans.scope_spans:
            scope_bytes = scope_spans.scope.ByteSize() + len(scope_spans.schema_url)
            copied = resource_bytes + scope_bytes + SPAN_WEIGHT
            found.weight += copied * len(scope_spans.spans)
            for span in scope_spans.spans:
                reason = invalid_ids(span)
                if reason:
                    found.reasons[reason] += 1
                else:
                    found.spans += 1
    if found.weight > LARGEST_WEIGHT:
        raise RequestBodyError(
            413,
            f"the request's spans, with their resource, are larger than {LARGEST_WEIGHT} bytes",
        )
    return found


def _note_ends(ends: dict[str, int], resource_spans: ResourceSpans) -> None:
    """Add the earliest end of the first finished spans of a resource."""
    attributes = resource_spans.resource.attributes
    service = next((a.value.string_value for a in attributes if a.key == "service.name"), "")
    first = (span for scope in resource_spans.scope_spans for span in scope.spans[:FIRST_SPANS])
    for span in first:
        if span.end_time_unix_nano and not any(a.key == PENDING for a in span.attributes):
            end = span.end_time_unix_nano
            ends[service] = min(ends.get(service, end), end)


def invalid_ids(span: Span) -> str:
    """Return why a span cannot be stored; empty if its ids are valid."""
    trace_id, span_id = span.trace_id, span.span_id
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        return "a trace id is not 16 bytes long, or all its bytes are zero"
    if len(span_id) != 8 or span_id == _NO_SPAN:
        return "a span id is not 8 bytes long, or all its bytes are zero"
    if len(span.parent_span_id) not in (0, 8):
        return "a parent span id is not 8 bytes long"
    return ""


def request_from_json(body: bytes) -> ExportTraceServiceRequest:
    """Parse OTLP/JSON, with everything that protobuf's own JSON format allows, such as nulls.

    Raises:
        MalformedRequestError: The body is not OTLP/JSON.
    """
    with contextlib.suppress(MalformedRequestError):
        return fill_request(parse_traces(body))
    try:
        document: Any = json.loads(body)
        # Protobuf's library ends with a SystemError at half a surrogate pair.
        json.dumps(document, ensure_ascii=False).encode()
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
    return message


def _hex_to_base64(document: dict[str, Any]) -> None:
    """Convert ids from hex, as OTLP writes them, to base64, as protobuf's JSON mapping does."""
    for resource in document.get("resourceSpans") or ():
        for scope in resource.get("scopeSpans") or ():
            for span in scope.get("spans") or ():
                for owner in (span, *(span.get("links") or ())):
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if value := owner.get(name):
                            owner[name] = base64.b64encode(bytes.fromhex(value)).decode()
