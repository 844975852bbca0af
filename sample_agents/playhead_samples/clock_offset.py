"""A wrong clock of the agents' machine, for tests: all exported times are shifted.

`PLAYHEAD_CLOCK_OFFSET` is the offset in seconds; a positive one makes the clock fast. Only the
times in spans change, as on a machine with a wrong clock; the server's times stay right.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

__all__ = ["VARIABLE", "install"]

VARIABLE = "PLAYHEAD_CLOCK_OFFSET"
NANOSECONDS = 1_000_000_000


def install() -> None:
    """Shift the times of all spans that this process exports, if the variable is set."""
    offset = int(float(os.environ.get(VARIABLE) or 0) * NANOSECONDS)
    if not offset:
        return
    export = OTLPSpanExporter.export

    def shifted(self: OTLPSpanExporter, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return export(self, [_shifted(span, offset) for span in spans])

    OTLPSpanExporter.export = shifted


def _shifted(span: ReadableSpan, offset: int) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=[Event(e.name, e.attributes, e.timestamp + offset) for e in span.events],
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=None if span.start_time is None else span.start_time + offset,
        end_time=None if span.end_time is None else span.end_time + offset,
        instrumentation_scope=span.instrumentation_scope,
    )
