"""OTLP → store → export → store: every field and value comes back equal."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from generated import for_each
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from playhead.export.otlp_encoding import encode, encoded_span, encoded_spans
from playhead.export.otlp_lines import otlp_json
from playhead.export.stored_spans import spans_of
from playhead.record.otlp.columns import SpanDecoder
from playhead.record.otlp.json_encoding import encoded_request
from playhead.record.otlp.json_requests import parse_traces
from playhead.record.otlp.requests import inspect_json
from playhead.record.otlp.rows import span_rows
from playhead.store.database import Store
from playhead.store.span_marks import MARKS
from playhead.store.span_writer import SpanWriter, span_table
from playhead.store.tables import SPAN_COLUMNS

texts = st.text(max_size=8) | st.sampled_from(["nan", "inf", "AA==", "1", "bytes"])
counts = st.sampled_from([0, 1, 2**32 - 1])
scalars = st.one_of(
    texts.map(lambda value: AnyValue(string_value=value)),
    st.booleans().map(lambda value: AnyValue(bool_value=value)),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: AnyValue(int_value=value)),
    st.floats(allow_nan=False).map(lambda value: AnyValue(double_value=value)),
    st.just(AnyValue(double_value=float("nan"))),
    st.binary(max_size=5).map(lambda value: AnyValue(bytes_value=value)),
    st.just(AnyValue()),
)


def pairs(values: Any) -> Any:
    """Return a strategy of attributes with different names."""
    return st.dictionaries(texts, values, max_size=4).map(
        lambda found: [KeyValue(key=name, value=value) for name, value in found.items()]
    )


attributes = pairs(
    st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3).map(
                lambda values: AnyValue(array_value=ArrayValue(values=values))
            )
            | pairs(inner).map(lambda found: AnyValue(kvlist_value=KeyValueList(values=found)))
        ),
        max_leaves=6,
    )
)


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    """Draw a request with every field of OTLP, one span a scope."""
    request = ExportTraceServiceRequest()
    for number in range(draw(st.integers(1, 3))):
        group = request.resource_spans.add(schema_url=draw(texts))
        group.resource.attributes.extend(draw(attributes))
        group.resource.dropped_attributes_count = draw(counts)
        for type_ in draw(st.lists(texts, max_size=2)):
            group.resource.entity_refs.add(type=type_, id_keys=draw(st.lists(texts, max_size=2)))
        members = group.scope_spans.add(schema_url=draw(texts))
        members.scope.name, members.scope.version = draw(texts), draw(texts)
        members.scope.attributes.extend(draw(attributes))
        members.scope.dropped_attributes_count = draw(counts)
        span = members.spans.add(
            trace_id=b"t" * 16,
            span_id=bytes([number + 1]) * 8,
            parent_span_id=draw(st.sampled_from([b"", b"p" * 8])),
            trace_state=draw(texts),
            flags=draw(counts),
            name=draw(texts),
            kind=draw(st.integers(0, 7)),  # type: ignore[arg-type]
            start_time_unix_nano=draw(st.integers(0, 2**64 - 1)),
            end_time_unix_nano=draw(st.integers(1, 2**64 - 1)),
            attributes=draw(attributes),
            dropped_attributes_count=draw(counts),
            dropped_events_count=draw(counts),
            dropped_links_count=draw(counts),
        )
        for _ in range(draw(st.integers(0, 2))):
            span.events.add(
                name=draw(texts),
                time_unix_nano=draw(st.integers(0, 2**64 - 1)),
                attributes=draw(attributes),
                dropped_attributes_count=draw(counts),
            )
        for _ in range(draw(st.integers(0, 2))):
            span.links.add(
                trace_id=draw(st.binary(min_size=16, max_size=16)),
                span_id=draw(st.binary(min_size=8, max_size=8)),
                trace_state=draw(texts),
                flags=draw(counts),
                attributes=draw(attributes),
                dropped_attributes_count=draw(counts),
            )
        span.status.code = draw(st.integers(0, 4))  # type: ignore[assignment]
        span.status.message = draw(texts)
    return request


def parts(request: ExportTraceServiceRequest) -> dict[bytes, tuple[Any, ...]]:
    """Return each span with its resource and scope, as bytes: NaN is unequal to itself."""
    found: dict[bytes, tuple[Any, ...]] = {}
    for group in request.resource_spans:
        for members in group.scope_spans:
            for span in members.spans:
                span.status.SetInParent()  # an empty status is the same as none
                messages = (group.resource, members.scope, span)
                found[span.span_id] = (
                    group.schema_url,
                    members.schema_url,
                    *(message.SerializeToString(deterministic=True) for message in messages),
                )
    return found


def decoded(body: bytes) -> dict[bytes, tuple[Any, ...]]:
    return parts(ExportTraceServiceRequest.FromString(body))


def test_every_value_comes_back_equal(tmp_path: Path, record_property: Any) -> None:
    """Both decoders and both encoders, and OTLP/JSON; then all of it through a store."""
    decoder = SpanDecoder()
    bodies: list[bytes] = []
    all_sent: dict[bytes, tuple[Any, ...]] = {}
    ids = itertools.count(1)

    @for_each(record_property, request=requests())
    def check(request: ExportTraceServiceRequest) -> None:
        for group in request.resource_spans:
            group.scope_spans[0].spans[0].span_id = next(ids).to_bytes(8, "big")
        body = request.SerializeToString()
        sent = parts(request)
        table = decoder.decode([body]).drop_columns([MARKS])
        by_rows = span_table(list(span_rows([body]))).drop_columns([MARKS])
        assert decoded(encode(encoded_spans(table))) == sent
        assert decoded(encode(encoded_spans(by_rows))) == sent
        assert decoded(encode(map(encoded_span, spans_of(table)))) == sent
        line = otlp_json(spans_of(table)).encode()
        assert decoded(inspect_json(line).body) == sent
        assert decoded(encoded_request(parse_traces(line)).body) == sent
        all_sent.update(sent)
        bodies.append(body)

    store = Store(tmp_path)
    SpanWriter(store).write_table(decoder.decode(bodies))
    stored = store.cursor().sql(f"SELECT {', '.join(SPAN_COLUMNS)} FROM spans").to_arrow_table()
    assert decoded(encode(encoded_spans(stored))) == all_sent
    store.close()
