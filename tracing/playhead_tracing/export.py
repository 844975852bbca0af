"""A tracer provider of our own, from the standard `OTEL_*` settings."""

from __future__ import annotations

import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

DELAY_MILLIS = 500
"""How long a finished span waits for company; `OTEL_BSP_SCHEDULE_DELAY` overrides it."""


def make_provider() -> TracerProvider:
    """A provider that sends OTLP over HTTP to where `OTEL_EXPORTER_OTLP_*` says."""
    provider = TracerProvider()
    delay = None if "OTEL_BSP_SCHEDULE_DELAY" in os.environ else DELAY_MILLIS
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=delay))
    return provider
