"""Traces of Jaeger's JSON format: of its API `/api/traces`, and of the files of its web page.

The names of tags are those that Jaeger gives to OpenTelemetry's fields, see
https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/. Jaeger's times have
microseconds.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from playhead.errors import MalformedRequestError

__all__ = ["jaeger_request"]

_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_SCOPES = ("otel.scope.name", "otel.library.name")
_VERSIONS = ("otel.scope.version", "otel.library.version")
_FIELDS = frozenset({
    "span.kind", "otel.status_code", "otel.status_description", "w3c.tracestate",
    *_SCOPES, *_VERSIONS,
})  # fmt: skip
"""Tags that become fields of the span."""
_NANOS_PER_MICRO = 1000


class _Json(msgspec.Struct, rename="camel", gc=False):
    """A JSON object; unknown fields are ignored."""


class _Tag(_Json):
    key: str = ""
    type: str = "string"
    value: Any = ""


class _Reference(_Json):
    ref_type: str = "CHILD_OF"
    trace_id: str = msgspec.field(default="", name="traceID")
    span_id: str = msgspec.field(default="", name="spanID")


class _Log(_Json):
    timestamp: int = 0
    fields: list[_Tag] = []


class _Process(_Json):
    service_name: str = ""
    tags: list[_Tag] | None = None


class _Span(_Json):
    trace_id: str = msgspec.field(default="", name="traceID")
    span_id: str = msgspec.field(default="", name="spanID")
    parent_span_id: str = msgspec.field(default="", name="parentSpanID")
    operation_name: str = ""
    references: list[_Reference] | None = None
    start_time: int = 0
    duration: int = 0
    tags: list[_Tag] | None = None
    logs: list[_Log] | None = None
    process_id: str = msgspec.field(default="", name="processID")
    process: _Process | None = None
    flags: int = 0


class _Trace(_Json):
    spans: list[_Span] = []
    processes: dict[str, _Process] = {}


_decoder = msgspec.json.Decoder(list[_Trace])


def jaeger_request(data: bytes | msgspec.Raw) -> ExportTraceServiceRequest:
    """Return the traces of a `data` list as a request. Raises MalformedRequestError."""
    request = ExportTraceServiceRequest()
    try:
        for trace in _decoder.decode(data):
            _add_trace(request, trace)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
        raise MalformedRequestError(f"the traces are not Jaeger's JSON: {error}") from error
    return request


def _add_trace(request: ExportTraceServiceRequest, trace: _Trace) -> None:
    groups: dict[tuple[str, str, str], ScopeSpans] = {}
    for span in trace.spans:
        tags = {tag.key: tag for tag in span.tags or ()}
        scope, version = _first(tags, _SCOPES), _first(tags, _VERSIONS)
        key = (span.process_id, scope, version)
        group = groups.get(key) if span.process is None else None
        if group is None:
            process = span.process or trace.processes.get(span.process_id) or _Process()
            resource = request.resource_spans.add()
            name = resource.resource.attributes.add(key="service.name")
            name.value.string_value = process.service_name
            _add_tags(resource.resource.attributes, process.tags or ())
            group = groups[key] = resource.scope_spans.add()
            group.scope.name, group.scope.version = scope, version
        _fill(group.spans.add(), span, tags)


def _fill(message: Span, span: _Span, tags: Mapping[str, _Tag]) -> None:
    message.trace_id = _id(span.trace_id, 16)
    message.span_id = _id(span.span_id, 8)
    parent = span.parent_span_id
    for reference in span.references or ():
        if reference.ref_type == "CHILD_OF" and not parent and reference.trace_id == span.trace_id:
            parent = reference.span_id
        elif reference.span_id != parent:
            link = message.links.add()
            link.trace_id, link.span_id = _id(reference.trace_id, 16), _id(reference.span_id, 8)
    if parent:
        message.parent_span_id = _id(parent, 8)
    message.name = span.operation_name
    message.kind = _KINDS.get(_first(tags, ("span.kind",)), 0)  # pyright: ignore
    message.start_time_unix_nano = span.start_time * _NANOS_PER_MICRO
    message.end_time_unix_nano = (span.start_time + span.duration) * _NANOS_PER_MICRO
    status = _first(tags, ("otel.status_code",))
    failed = "error" in tags and tags["error"].value in (True, "true")
    if status == "ERROR" or (failed and not status):
        message.status.code = message.status.STATUS_CODE_ERROR
    elif status == "OK":
        message.status.code = message.status.STATUS_CODE_OK
    message.status.message = _first(tags, ("otel.status_description",))
    message.trace_state = _first(tags, ("w3c.tracestate",))
    # Jaeger adds `error` to the spans with the status.
    hidden = _FIELDS | {"error"} if status == "ERROR" else _FIELDS
    _add_tags(message.attributes, [tag for name, tag in tags.items() if name not in hidden])
    for log in span.logs or ():
        event = message.events.add()
        event.time_unix_nano = log.timestamp * _NANOS_PER_MICRO
        fields = {field.key: field for field in log.fields}
        event.name = _first(fields, ("event",)) or "log"
        _add_tags(event.attributes, [f for name, f in fields.items() if name != "event"])


def _first(tags: Mapping[str, _Tag], names: Sequence[str]) -> str:
    return next((str(tags[name].value) for name in names if name in tags), "")


def _id(text: str, size: int) -> bytes:
    """Return an id, which Jaeger writes without leading zeros."""
    return bytes.fromhex(text.rjust(2 * size, "0"))


def _add_tags(pairs: Any, tags: Sequence[_Tag]) -> None:
    for tag in tags:
        pair = pairs.add()
        pair.key = tag.key
        match tag.type:
            case "bool":
                pair.value.bool_value = tag.value in (True, "true")
            case "int64":
                pair.value.int_value = int(tag.value)
            case "float64":
                pair.value.double_value = float(tag.value)
            case "binary":
                pair.value.bytes_value = base64.b64decode(tag.value)
            case _:
                pair.value.string_value = str(tag.value)
