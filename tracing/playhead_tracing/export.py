"""The default tracer provider, from the standard `OTEL_*` settings, and its span queue.

The SDK's BatchSpanProcessor drops a batch when the collector is down for ten seconds, without
counting it. This queue keeps spans up to its size, and counts those it drops.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage]
    attach,
    set_value,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

DELAY_MILLIS = 500
"""Time that a finished span waits for further ones; `OTEL_BSP_SCHEDULE_DELAY` overrides it."""
QUEUE_SPANS = 8192
"""Spans kept while the collector is down; `OTEL_BSP_MAX_QUEUE_SIZE` overrides it."""
BATCH_SPANS = 512
"""Spans in a request; `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` overrides it."""
TRIES = 10
"""Failed requests after which a batch is dropped, to prevent a bad span from blocking others."""
LONGEST_WAIT_SECONDS = 30.0
CLOSE_SECONDS = 1.5
"""Maximum time that an ending process waits for the collector."""

_log = logging.getLogger(__name__)


class SpanQueue(SpanProcessor):
    """A queue that sends finished spans in batches from a thread; `dropped` counts lost spans."""

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        delay_seconds: float,
        queue_spans: int = QUEUE_SPANS,
        batch_spans: int = BATCH_SPANS,
        first_wait_seconds: float = 0.5,
    ) -> None:
        """Create the queue; its thread starts with the first span.

        Args:
            exporter: Sends a batch; it may be slow and may fail.
            delay_seconds: Time that a span waits for others.
            queue_spans: Maximum number of queued spans; the oldest are dropped first.
            batch_spans: Maximum number of spans in one batch.
            first_wait_seconds: Pause after the first failure, doubled after each further one.
        """
        self.dropped = 0
        self._exporter = exporter
        self._delay = delay_seconds
        self._batch = batch_spans
        self._first_wait = first_wait_seconds
        self._spans: deque[ReadableSpan] = deque(maxlen=queue_spans)
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._sending = threading.Lock()
        self._pid = 0
        self._thread: threading.Thread | None = None

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a finished span."""
        spans = self._spans
        if not span.context or not span.context.trace_flags.sampled:
            return
        if self._pid != os.getpid():
            self._start()
        if len(spans) == spans.maxlen:
            self._drop(1)
        spans.append(span)
        if len(spans) >= self._batch:
            self._wake.set()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Send all queued spans now; return False on failure."""
        if not self._sending.acquire(timeout=timeout_millis / 1000):
            return False
        try:
            return self._send(until=time.monotonic() + timeout_millis / 1000)
        finally:
            self._sending.release()

    def shutdown(self) -> None:
        """Send all queued spans, for at most `CLOSE_SECONDS`, and stop."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake.set()
        thread = self._thread
        if thread is not None and thread.is_alive():
            thread.join(CLOSE_SECONDS)
        self._exporter.shutdown()
        if thread is not None:
            thread.join(CLOSE_SECONDS)
        if self._spans:
            self._drop(len(self._spans))

    def _start(self) -> None:
        """Start the thread of this process; a fork inherits neither threads nor usable locks."""
        if self._pid:
            self._spans.clear()
            self._sending = threading.Lock()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._work, name="playhead-spans", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        while not self._closing.is_set():
            self._wake.wait(self._delay)
            self._wake.clear()
            with self._sending:
                self._send(until=None)
        with self._sending:
            self._send(until=time.monotonic() + CLOSE_SECONDS)

    def _send(self, *, until: float | None) -> bool:
        """Send all batches; with `until`, stop at that time and send no batch twice."""
        while self._spans:
            batch = [self._spans.popleft() for _ in range(min(self._batch, len(self._spans)))]
            for attempt in range(1 if until is not None else TRIES):
                if self._exporter.export(batch) is SpanExportResult.SUCCESS:
                    break
                wait = min(self._first_wait * 2**attempt, LONGEST_WAIT_SECONDS)
                if self._closing.wait(wait if until is None else 0):
                    until = time.monotonic()
                    if self._exporter.export(batch) is SpanExportResult.SUCCESS:
                        break
                    self._drop(len(batch))
                    return False
            else:
                self._drop(len(batch))
                return False
            if until is not None and time.monotonic() > until:
                return not self._spans
        return True

    def _drop(self, count: int) -> None:
        if self.dropped == 0:
            _log.warning(
                "Spans are being dropped: the OTLP endpoint is unreachable or too slow. "
                "Set OTEL_EXPORTER_OTLP_ENDPOINT, or OTEL_BSP_MAX_QUEUE_SIZE to keep more spans."
            )
        self.dropped += count


def make_provider() -> TracerProvider:
    """Return a provider that sends OTLP over HTTP as `OTEL_EXPORTER_OTLP_*` configures it."""
    queue = SpanQueue(
        OTLPSpanExporter(),
        delay_seconds=_setting("OTEL_BSP_SCHEDULE_DELAY", DELAY_MILLIS) / 1000,
        queue_spans=_setting("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_SPANS),
        batch_spans=_setting("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH_SPANS),
    )
    provider = TracerProvider()
    provider.add_span_processor(queue)
    return provider


def _setting(name: str, default: int) -> int:
    try:
        return max(int(os.environ.get(name, "")), 1)
    except ValueError:
        return default
