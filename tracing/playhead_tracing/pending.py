"""Open spans, for a live view: sent as they are to a target that replaces them when they end.

A pending span is an OTLP span with `playhead.pending` = true and no end time. Only Playhead's
recorder knows what to do with one, so they go straight to it and never into the queue of finished
spans: `PLAYHEAD_PENDING_SPANS` is the URL of its `/v1/traces`, or `1` when the endpoint that
`OTEL_EXPORTER_OTLP_*` names is the recorder itself.
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

from playhead_tracing.attempt import Attempt, Record

SETTING = "PLAYHEAD_PENDING_SPANS"
AGE_SECONDS = 0.25
"""A span that lasts less is never sent as pending."""
_MOST = 2048

Snapshot = Callable[[Attempt, Record], ReadableSpan | None]


class Pending:
    """Watches open spans from a thread of its own and sends each once.

    Nothing is retried: what fails to arrive is only seen later, when it ends.
    """

    def __init__(self, exporter: SpanExporter, snapshot: Snapshot) -> None:
        """Nothing is sent and no thread runs before the first span.

        Args:
            exporter: sends them.
            snapshot: an open span as it is now; None when it is not known yet to be real.
        """
        self._exporter = exporter
        self._snapshot = snapshot
        self._opened: deque[tuple[float, Attempt, Record]] = deque(maxlen=_MOST)
        self._closing = threading.Event()
        self._pid = 0

    def opened(self, attempt: Attempt, record: Record) -> None:
        """A span of an attempt started."""
        self._opened.append((time.monotonic(), attempt, record))
        if self._pid != os.getpid():
            self._pid = os.getpid()
            threading.Thread(target=self._work, name="playhead-pending", daemon=True).start()

    def close(self) -> None:
        """Send no more."""
        if not self._closing.is_set():
            self._closing.set()
            self._exporter.shutdown()

    def _work(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        while not self._closing.wait(AGE_SECONDS / 2):
            old = time.monotonic() - AGE_SECONDS
            spans: list[ReadableSpan] = []
            later: list[tuple[float, Attempt, Record]] = []
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
    """The exporter that `PLAYHEAD_PENDING_SPANS` asks for; None when it asks for none."""
    setting = os.environ.get(SETTING, "").strip()
    if setting.lower() in ("", "0", "false"):
        return None
    logging.getLogger(OTLPSpanExporter.__module__).setLevel(logging.CRITICAL)
    endpoint = None if setting.lower() in ("1", "true") else setting
    return OTLPSpanExporter(endpoint=endpoint, timeout=1)
