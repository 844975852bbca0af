"""Counts of the recorder in Prometheus' text format.

prometheus-client writes the format. The values are read from `GET /health` at each scrape, so that
both always agree; only the duration of commits is observed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST

_COUNTERS = {
    "received_spans": ("playhead_received_spans", "Spans acknowledged since the start."),
    "repeated_spans": ("playhead_repeated_spans", "Received spans that were stored already."),
    "refused_requests": ("playhead_refused_requests", "Requests refused because of overload."),
    "errors": ("playhead_errors", "Failed writes of the log or of the store."),
}
_GAUGES = {
    "spans": ("playhead_stored_spans", "Spans in the store."),
    "waiting_requests": (
        "playhead_waiting_requests",
        "Acknowledged requests that are not committed.",
    ),
    "memory_bytes": ("playhead_request_memory_bytes", "Requests that are being read and checked."),
    "log_bytes": ("playhead_log_bytes", "Size of the request log."),
    "damaged_log_bytes": ("playhead_damaged_log_bytes", "Bytes of the log that were not readable."),
    "set_aside_requests": ("playhead_set_aside_requests", "Requests that could not be stored."),
    "bytes": ("playhead_store_bytes", "Size of the database, with its write-ahead log."),
}
_JOURNALS = {
    "invocations": ("playhead_copied_invocations", "Invocations that are copied from servers."),
    "behind": ("playhead_behind_invocations", "Invocations that still have to be copied."),
    "lag_seconds": ("playhead_copy_lag_seconds", "Age of the last copy."),
    "scan_seconds": ("playhead_scan_seconds", "Duration of the last scan of all invocations."),
}  # fmt: skip


class Metrics(Collector):
    """The metrics of one recorder."""

    def __init__(self, health: Callable[[], Mapping[str, Any]]) -> None:
        """Take the source of the values.

        Args:
            health: Returns the answer of `GET /health`.
        """
        self._health = health
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self.commit_seconds = Histogram(
            "playhead_commit_seconds",
            "Duration of the commits of requests.",
            registry=self._registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )

    def text(self) -> bytes:
        """Return all metrics in the text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """Return nothing: the values are not read before the first scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield the current values."""
        health = self._health()
        for name, (metric, text) in _COUNTERS.items():
            yield CounterMetricFamily(metric, text, value=health[name])
        rejected = CounterMetricFamily(
            "playhead_rejected_spans", "Spans that were not stored, by reason.", labels=["reason"]
        )
        for reason, count in health["rejected_by_reason"].items():
            rejected.add_metric([reason], count)
        yield rejected
        for name, (metric, text) in _GAUGES.items():
            yield GaugeMetricFamily(metric, text, value=health[name])
        journals: Mapping[str, Any] = health["journals"] or {}
        for name, (metric, text) in _JOURNALS.items():
            if journals.get(name) is not None:
                yield GaugeMetricFamily(metric, text, value=journals[name])
