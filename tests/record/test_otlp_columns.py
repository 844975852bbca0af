"""Both decoders, by columns and span by span, give the same rows."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from playhead.record.otlp.columns import SpanDecoder
from playhead.record.otlp.rows import span_rows
from playhead.store.span_marks import MARKING_NAMES, MARKS, marks_of
from playhead.store.tables import SPAN_COLUMNS

from otlp import request  # isort: skip

JSON_COLUMNS = [name for name, kind in SPAN_COLUMNS.items() if kind == "JSON"]
ATTRIBUTES = list(SPAN_COLUMNS).index("attributes")
TEXTS = ("", "x", "[red]", "\x1b[2J", "ä\x00\u2028", "漢字", '"quoted"\\', "\x7f\x85", "a" * 5000)
NUMBERS = (0.0, -0.0, 1.5, 1e16, 1e-7, 0.1, 1e308, math.nan, math.inf, -math.inf)
COUNTS = (0, 0, 1, 2**32 - 1)
WHOLES = (0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63))


def fill(value: AnyValue, rng: random.Random, depth: int = 0) -> None:
    """Set an attribute's value to one of any type."""
    match rng.randrange(8 if depth < 4 else 5):
        case 0:
            value.string_value = rng.choice(TEXTS)
        case 1:
            value.int_value = rng.choice(WHOLES)
        case 2:
            value.bool_value = rng.random() < 0.5
        case 3:
            value.double_value = rng.choice(NUMBERS)
        case 4:
            value.bytes_value = rng.randbytes(rng.randrange(4))
        case 5:
            value.array_value.SetInParent()
            for _ in range(rng.randrange(4)):
                fill(value.array_value.values.add(), rng, depth + 1)
        case 6:
            value.kvlist_value.SetInParent()
            for number in range(rng.randrange(4)):
                pair = value.kvlist_value.values.add(key=f"{rng.choice(TEXTS)}{number}")
                fill(pair.value, rng, depth + 1)
        case _:
            return


def pairs(owner: Any, rng: random.Random) -> None:
    """Add attributes with different names."""
    for number in range(rng.randrange(5)):
        fill(owner.attributes.add(key=f"{rng.choice(TEXTS)}{number}").value, rng)


def generated(rng: random.Random) -> bytes:
    """Return a request with spans of every form, some of them with invalid ids."""
    message = ExportTraceServiceRequest()
    for _ in range(rng.randrange(4)):
        resource = message.resource_spans.add()
        if rng.random() < 0.7:
            resource.resource.SetInParent()
            pairs(resource.resource, rng)
            resource.schema_url = rng.choice(TEXTS)
            resource.resource.dropped_attributes_count = rng.choice(COUNTS)
            if rng.random() < 0.3:
                resource.resource.entity_refs.add(type=rng.choice(TEXTS), id_keys=["a", "b"])
        if rng.random() < 0.5:
            resource.resource.attributes.add(key="service.name").value.string_value = "agent"
        for _ in range(rng.randrange(3)):
            scope = resource.scope_spans.add()
            if rng.random() < 0.7:
                scope.scope.name = rng.choice(TEXTS)
                scope.scope.version = rng.choice(TEXTS)
                scope.schema_url = rng.choice(TEXTS)
                scope.scope.dropped_attributes_count = rng.choice(COUNTS)
                pairs(scope.scope, rng)
            for _ in range(rng.randrange(6)):
                span = scope.spans.add()
                span.trace_id = rng.choice((*[rng.randbytes(16)] * 9, bytes(16), b"short"))
                span.span_id = rng.choice((*[rng.randbytes(8)] * 9, bytes(8), b""))
                span.parent_span_id = rng.choice((b"", bytes(8), *[rng.randbytes(8)] * 9, b"x"))
                span.name = rng.choice(TEXTS)
                span.trace_state = rng.choice(TEXTS)
                span.flags = rng.choice(COUNTS)
                span.dropped_attributes_count = rng.choice(COUNTS)
                span.dropped_events_count = rng.choice(COUNTS)
                span.dropped_links_count = rng.choice(COUNTS)
                span.kind = rng.randrange(8)  # type: ignore[assignment]
                span.start_time_unix_nano = rng.choice((0, 1, 1_700_000_000_000_000_000, 2**64 - 1))
                span.end_time_unix_nano = rng.choice((0, 2, 2**64 - 1))
                if rng.random() < 0.5:
                    span.status.code = rng.randrange(5)  # type: ignore[assignment]
                    span.status.message = rng.choice(TEXTS)
                pairs(span, rng)
                if rng.random() < 0.3:
                    pair = span.attributes.add(key="restate.invocation.id")
                    pair.value.string_value = rng.choice(("inv_1", ""))
                if rng.random() < 0.3:
                    fill(span.attributes.add(key="playhead.pending").value, rng)
                for name in ("gen_ai.operation.name", *MARKING_NAMES):
                    if rng.random() < 0.3:
                        fill(span.attributes.add(key=name).value, rng)
                if rng.random() < 0.3:
                    pair = span.attributes.add(key="openinference.span.kind")
                    pair.value.string_value = rng.choice(("LLM", "TOOL", "CHAIN"))
                for _ in range(rng.randrange(3)):
                    event = span.events.add(
                        name=rng.choice(TEXTS),
                        time_unix_nano=rng.choice((0, 2**64 - 1)),
                        dropped_attributes_count=rng.choice(COUNTS),
                    )
                    pairs(event, rng)
                for _ in range(rng.randrange(3)):
                    link = span.links.add(
                        trace_id=rng.randbytes(16),
                        span_id=rng.randbytes(8),
                        trace_state=rng.choice(TEXTS),
                        flags=rng.choice(COUNTS),
                        dropped_attributes_count=rng.choice(COUNTS),
                    )
                    pairs(link, rng)
    return message.SerializeToString()


def decoded(decoder: SpanDecoder, bodies: list[bytes]) -> list[tuple[Any, ...]]:
    """Return the decoder's rows, JSON decoded."""
    rows: list[tuple[Any, ...]] = []
    for row in decoder.decode(bodies).to_pylist():
        rows.append(loaded(row))
    return rows


def loaded(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return the values of a row, JSON decoded."""
    found = {name: json.loads(text) for name in JSON_COLUMNS if (text := row[name]) is not None}
    return tuple((row | found).values())


@pytest.mark.parametrize("seed", range(8))
def test_generated_requests(seed: int) -> None:
    rng, decoder = random.Random(seed), SpanDecoder()
    total = 0
    for _ in range(20):
        bodies = [generated(rng) for _ in range(rng.randrange(1, 4))]
        rows = list(span_rows(bodies))
        marks = marks_of(str(row[ATTRIBUTES]) for row in rows)
        expected = [
            (*loaded(dict(zip(SPAN_COLUMNS, row, strict=True))), mark)
            for row, mark in zip(rows, marks, strict=True)
        ]
        assert decoded(decoder, bodies) == expected
        total += len(expected)
    assert total > 50


def test_repeated_names() -> None:
    """OTLP forbids them; the last value counts, with its type."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = b"t" * 16, b"s" * 8
    for name in "abc":
        span.attributes.add(key=name).value.bytes_value = b"x"
    span.attributes.add(key="a").value.string_value = "text"
    span.attributes.add(key="b").value.double_value = math.nan
    body = message.SerializeToString()
    [row] = span_rows([body])
    [columns] = decoded(SpanDecoder(), [body])
    named = loaded(dict(zip(SPAN_COLUMNS, row, strict=True)))
    assert columns[:-1] == named
    assert dict(zip(SPAN_COLUMNS, named, strict=True))["attribute_types"] == {
        "b": "double",
        "c": "bytes",
    }


def test_columns_are_those_of_the_store() -> None:
    table = SpanDecoder().decode([request(20).SerializeToString()])
    assert table.column_names == [*SPAN_COLUMNS, MARKS]
    assert table.num_rows == 20


def test_without_spans() -> None:
    assert SpanDecoder().decode([b"", b""]).num_rows == 0
