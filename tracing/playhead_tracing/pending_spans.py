"""Open spans for a live view, sent to a target that replaces them when they end.

A pending span is an OTLP span with `playhead.pending` = true and no end time. Only Playhead's
recorder handles it, so pending spans go directly to the recorder and never into the queue of
finished spans. `PLAYHEAD_PENDING_SPANS` is the URL of its `/v1/traces`, or `1` when the endpoint
in `OTEL_EXPORTER_OTLP_*` is the recorder.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage]
    attach,
    set_value,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter

from playhead_tracing.attempt import Attempt, SpanRecord

SETTING = "PLAYHEAD_PENDING_SPANS"
AGE_SECONDS = 0.25
"""Minimum age of a span that is sent as pending."""
_MOST = 2048

Snapshot = Callable[[Attempt, SpanRecord], ReadableSpan | None]


class Pending:
    """A thread that watches open spans and sends each of them once.

    A failed request is not repeated: its spans arrive when they end.
    """

    def __init__(self, exporter: SpanExporter, snapshot: Snapshot) -> None:
        """Create the watcher; its thread starts with the first span.

        Args:
            exporter: Sends the spans.
            snapshot: Returns an open span in exported form; None while it may be a repeat.
        """
        self._exporter = exporter
        self._snapshot = snapshot
        self._opened: deque[tuple[float, Attempt, SpanRecord]] = deque(maxlen=_MOST)
        self._closing = threading.Event()
        self._pid = 0

    def opened(self, attempt: Attempt, record: SpanRecord) -> None:
        """Watch a span of an attempt."""
        self._opened.append((time.monotonic(), attempt, record))
        if self._pid != os.getpid():
            self._pid = os.getpid()
            threading.Thread(target=self._work, name="playhead-pending", daemon=True).start()

    def close(self) -> None:
        """Stop sending."""
        if not self._closing.is_set():
            self._closing.set()
            self._exporter.shutdown()

    def _work(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        while not self._closing.wait(AGE_SECONDS / 2):
            old = time.monotonic() - AGE_SECONDS
            spans: list[ReadableSpan] = []
            later: list[tuple[float, Attempt, SpanRecord]] = []
            while self._opened and self._opened[0][0] < old:
                since, attempt, record = self._opened.popleft()
                if record.span is None or attempt.over:
                    continue
                span = self._snapshot(attempt, record)
                if span is None:
                    later.append((since, attempt, record))
                else:
                    spans.append(span)
            self._opened.extendleft(reversed(later))
            if spans:
                self._exporter.export(spans)


def pending_exporter() -> SpanExporter | None:
    """Return the exporter that `PLAYHEAD_PENDING_SPANS` configures; None when it is unset."""
    setting = os.environ.get(SETTING, "").strip()
    if setting.lower() in ("", "0", "false"):
        return None
    logging.getLogger(OTLPSpanExporter.__module__).setLevel(logging.CRITICAL)
    endpoint = None if setting.lower() in ("1", "true") else setting
    return OTLPSpanExporter(endpoint=endpoint, timeout=1)
