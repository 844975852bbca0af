"""Requests as bytes, compared with what the protobuf library makes of the same spans."""

from __future__ import annotations

from typing import Any

from exported_rows import rich_rows, row
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from playhead.export.otlp_encoding import EncodedSpan, batches, encode, encoded_span, encoded_spans
from playhead.export.otlp_lines import otlp_json
from playhead.export.stored_spans import spans_of
from playhead.record.otlp.json_requests import fill_request, parse_traces
from playhead.store.arrow import pa
from playhead.store.span_writer import SpanRow
from playhead.store.tables import SPAN_COLUMNS

TYPES: dict[str, Any] = {"UBIGINT": pa.uint64(), "UINTEGER": pa.uint32()}


def rows() -> list[SpanRow]:
    long = 'a "quoted" line\n' * 100
    many = {f"key {number}": number for number in range(300)}
    return [
        *rich_rows(),
        row(4, name="n" * 200, attributes={"prompt": long, "plain": "p" * 5000, "é": "ü" * 300}),
        row(5, attributes=many, resource=many, scope="", status=("ok", "")),
        row(6, attributes={"number": 1, "again": 1.0, "truth": True, "text": "1"}),
        row(7, attributes={"number": 1.0, "again": True, "truth": 1, "text": 1}),
        row(8, status=("7", ""), scope="s" * 200),
        row(9, status=("unset", "only a message")),
        row(10, attributes={"zero": 0.0}),
        row(11, attributes={"zero": -0.0}),
    ]


def table(rows: list[SpanRow]) -> Any:
    columns = zip(SPAN_COLUMNS, zip(*rows, strict=True), strict=True)
    return pa.table({
        name: pa.array(values, TYPES.get(SPAN_COLUMNS[name], pa.string()))
        for name, values in columns
    })  # fmt: skip


def parts(request: ExportTraceServiceRequest) -> dict[bytes, tuple[Any, ...]]:
    """Return each span with its resource and scope; NaN makes messages unequal, bytes are equal."""
    found: dict[bytes, tuple[Any, ...]] = {}
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                if not span.status.ByteSize():
                    span.ClearField("status")  # an empty one is the same as none
                messages = (group.resource, scope.scope, span)
                found[span.span_id] = (
                    group.schema_url,
                    scope.schema_url,
                    *(message.SerializeToString(deterministic=True) for message in messages),
                )
    return found


def encoded(spans: list[EncodedSpan]) -> dict[bytes, tuple[Any, ...]]:
    return parts(ExportTraceServiceRequest.FromString(encode(spans)))


def test_requests_are_those_of_the_protobuf_library() -> None:
    found = table(rows())
    line = otlp_json(spans_of(found)).encode()
    expected = parts(fill_request(parse_traces(line)))
    assert len(expected) == len(rows())
    for _ in range(2):  # the second time with what is remembered of the first
        assert encoded(encoded_spans(found)) == expected
        assert encoded([encoded_span(span) for span in spans_of(found)]) == expected


def test_spans_of_one_resource_and_scope_share_a_group() -> None:
    request = ExportTraceServiceRequest.FromString(encode(encoded_spans(table(rows()))))
    scopes = [len(group.scope_spans) for group in request.resource_spans]
    assert sorted(scopes) == [1, 1, 1, 3]


def test_batches_have_a_size() -> None:
    spans = encoded_spans(table([row(n, attributes={"t": "x" * 1000}) for n in range(9)]))
    large = encoded_spans(table([row(9, attributes={"t": "x" * 9000})]))
    found = list(batches([*spans[:4], *large, *spans[4:]], 3500))
    assert [len(batch) for batch in found] == [3, 1, 1, 3, 2]
    assert [span for batch in found for span in batch] == [*spans[:4], *large, *spans[4:]]
