"""OTLP/JSON as an encoded request, compared with a request of the protobuf library."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from playhead.errors import MalformedRequestError
from playhead.record.otlp.json_encoding import encoded_request
from playhead.record.otlp.json_requests import fill_request, parse_traces

IDS = {"traceId": "ab" * 16, "spanId": "cd" * 8}
TIMES = {"startTimeUnixNano": "1", "endTimeUnixNano": str(2**64 - 1)}


def document(span: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{**IDS, **span}]}]}]}).encode()


def attribute(**value: Any) -> dict[str, Any]:
    return {"key": "k", "value": value}


@pytest.mark.parametrize(
    "span",
    [
        {},
        {"parentSpanId": "ef" * 8, "name": "né" * 300, "kind": 5, **TIMES},
        {"traceId": "", "spanId": "01", "parentSpanId": "0102"},
        {"kind": "SPAN_KIND_SERVER", "status": {"code": "STATUS_CODE_ERROR", "message": "x"}},
        {"kind": -1, "status": {"code": 2, "message": "m" * 300}},
        {"kind": 7, "status": {}},
        {"flags": 257, "traceState": "a=b", "droppedLinksCount": 2**32 - 1},
        {"links": [{**IDS, "attributes": [attribute(intValue="7")]}]},
        {
            "events": [
                {"timeUnixNano": str(2**64 - 1), "name": "é", "attributes": [attribute()]},
                {"timeUnixNano": 1, "attributes": [attribute(stringValue="t" * 200)]},
                {"droppedAttributesCount": 3, "attributes": [attribute(boolValue=False)]},
            ]
        },
        {"attributes": [{"key": "no value"}, attribute(), attribute(stringValue="")]},
        {"attributes": [attribute(stringValue="ü" * size) for size in (1, 59, 60, 61, 62, 63)]},
        {"attributes": [attribute(stringValue="x" * size) for size in range(115, 130)]},
        {"attributes": [{"key": "k" * 127, "value": {"intValue": "1"}}]},
        {"attributes": [attribute(intValue=n) for n in (0, -1, 127, 128, 2**63 - 1, -(2**63))]},
        {"attributes": [attribute(intValue=str(n)) for n in (0, -1, 127, 128, 2**63 - 1)]},
        {"attributes": [attribute(doubleValue=-0.0), attribute(doubleValue="Infinity")]},
        {"attributes": [attribute(bytesValue="AAE="), attribute(boolValue=True)]},
        {"attributes": [attribute(arrayValue={"values": [{"kvlistValue": {}}, {}]})]},
    ],
)  # fmt: skip
def test_the_same_as_a_request_of_the_library(span: dict[str, Any]) -> None:
    parsed = parse_traces(document(span))
    found = encoded_request(parsed)
    assert found.spans == 1
    assert ExportTraceServiceRequest.FromString(found.body) == fill_request(parsed)


@pytest.mark.parametrize(
    "span",
    [
        {"traceId": "xy" * 16},
        {"startTimeUnixNano": -1},
        {"endTimeUnixNano": str(2**64)},
        {"kind": 2**31},
        {"kind": "SPAN_KIND_UNKNOWN"},
        {"droppedEventsCount": -1},
        {"attributes": [attribute(intValue=str(2**63))]},
        {"attributes": [attribute(intValue="1.5")]},
        {"attributes": [attribute(doubleValue="x")]},
        {"events": [{"timeUnixNano": -1}]},
    ],
)
def test_the_same_errors(span: dict[str, Any]) -> None:
    parsed = parse_traces(document(span))
    with pytest.raises(MalformedRequestError) as expected:
        fill_request(parsed)
    with pytest.raises(MalformedRequestError) as found:
        encoded_request(parsed)
    assert str(found.value) == str(expected.value)
