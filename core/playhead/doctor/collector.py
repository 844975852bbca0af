"""Check of an OpenTelemetry Collector on this machine: whether its targets lose spans."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import httpx

from playhead.doctor.check import Check, passed, warning

__all__ = ["METRICS_PORT", "collector"]

METRICS_PORT = "PLAYHEAD_COLLECTOR_METRICS_PORT"
"""Variable of otel-collector.yaml."""
DEFAULT_PORT = "8888"
_SAMPLE = re.compile(r'(otelcol_exporter_[a-z_]+)\{[^}]*\bexporter="([^"]+)"[^}]*\} ([0-9.e+]+)')
_LOST = ("otelcol_exporter_send_failed_spans", "otelcol_exporter_enqueue_failed_spans")
_SENT = "otelcol_exporter_sent_spans"


async def collector(environ: Mapping[str, str]) -> list[Check]:
    """Check the Collector whose metrics answer; without one, there is nothing to check.

    Args:
        environ: The environment, with the port of the metrics.
    """
    url = f"http://127.0.0.1:{environ.get(METRICS_PORT) or DEFAULT_PORT}/metrics"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=1.0) as http:
            text = (await http.get(url)).raise_for_status().text
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return []
    if "otelcol_" not in text:
        return []
    lost: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    for metric, exporter, value in _SAMPLE.findall(text):
        if metric.startswith(_LOST):
            lost[exporter] += int(float(value))
        elif metric.startswith(_SENT):
            sent[exporter] += int(float(value))
    lost = +lost
    if not lost:
        counts = ", ".join(f"{sent[name]} to {name}" for name in sorted(sent)) or "none yet"
        return [passed("collector", f"spans sent: {counts}")]
    counts = ", ".join(f"{lost[name]} for {name}" for name in sorted(lost))
    return [
        warning(
            "collector",
            "collector-loses-spans",
            f"the Collector lost spans since its start: {counts}",
            "Check the address and the key of the target: the Collector's log has its answer. "
            "`playhead export traces` can send the spans later.",
        )
    ]
