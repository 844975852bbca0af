"""Checks of an OpenTelemetry Collector on this machine: keys of targets, and spans they lose."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

import httpx

from playhead.doctor.check import Check, passed, warning
from playhead.formatting import size
from playhead.text import clean

__all__ = ["METRICS_PORT", "collector"]

METRICS_PORT = "PLAYHEAD_COLLECTOR_METRICS_PORT"
"""Variable of otel-collector.yaml."""
DEFAULT_PORT = "8888"
EXPORTERS = "PLAYHEAD_COLLECTOR_EXPORTERS"
_LANGFUSE = "otlp_http/langfuse"
_KEYS: Mapping[str, str] = MappingProxyType({
    _LANGFUSE: "LANGFUSE_AUTH",
    "otlp_http/logfire": "LOGFIRE_TOKEN",
    "otlp_http/datadog": "DD_API_KEY",
    "otlp_http/honeycomb": "HONEYCOMB_API_KEY",
})  # fmt: skip
"""Variables without which these targets refuse all spans."""
_SAMPLE = re.compile(r"(otelcol_exporter_[a-z_]+)\{([^}]*)\} ([0-9.e+]+)")
_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')
_LOST = ("otelcol_exporter_send_failed_spans", "otelcol_exporter_enqueue_failed_spans")
_SENT = "otelcol_exporter_sent_spans"
_WAITING = "otelcol_exporter_queue_size"
_REASONS: Mapping[str, str] = MappingProxyType({
    "Unauthenticated": "it refuses the key",
    "PermissionDenied": "it refuses the key",
    "InvalidArgument": "it refuses the spans",
    "ResourceExhausted": "the request is too large",
    "NotFound": "nothing takes spans at its address",
    "Unimplemented": "nothing takes spans at its address",
})  # fmt: skip
"""What the Collector's types of errors mean; it maps HTTP statuses to the codes of gRPC."""
_FULL = "its queue is full"


async def collector(environ: Mapping[str, str]) -> list[Check]:
    """Check the keys of the targets in the environment, and the Collector whose metrics answer.

    Args:
        environ: The environment, with the variables of otel-collector.yaml.
    """
    return [*_keys(environ), *await _running(environ)]


def _keys(environ: Mapping[str, str]) -> list[Check]:
    """Check that the targets that the environment switches on have usable keys."""
    exporters = re.findall(r"[\w/]+", environ.get(EXPORTERS, ""))
    problems = [
        f"{EXPORTERS} has {exporter}, and {variable} is not set"
        for exporter in exporters
        if (variable := _KEYS.get(exporter)) and not environ.get(variable)
    ]
    auth = environ.get(_KEYS[_LANGFUSE])
    if auth and not _is_langfuse_auth(auth):
        problems.append(f"{_KEYS[_LANGFUSE]} is not the base64 form of PUBLIC_KEY:SECRET_KEY")
    hint = "The target would refuse all spans. See the page about the Collector."
    return [warning("collector", "collector-key-missing", problem, hint) for problem in problems]


def _is_langfuse_auth(value: str) -> bool:
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return False
    return bool(user and password)


async def _running(environ: Mapping[str, str]) -> list[Check]:
    """Check the Collector whose metrics answer; without one, there is nothing to check."""
    url = f"http://127.0.0.1:{environ.get(METRICS_PORT) or DEFAULT_PORT}/metrics"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=1.0, verify=False) as http:
            text = (await http.get(url)).raise_for_status().text
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return []
    if "otelcol_" not in text:
        return []
    lost: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    reasons: dict[str, set[str]] = {}
    for metric, pairs, value in _SAMPLE.findall(text):
        labels = dict(_LABEL.findall(pairs))
        exporter, count = clean(labels.get("exporter", "")), int(float(value))
        if metric.startswith(_LOST) and count:
            lost[exporter] += count
            full = metric.startswith(_LOST[1])
            reason = _FULL if full else _REASONS.get(labels.get("error_type", ""), "")
            reasons.setdefault(exporter, set()).add(reason)
        elif metric.startswith(_SENT):
            sent[exporter] += count
        elif metric == _WAITING:
            waiting[exporter] += count
    if not lost:
        counts = ", ".join(f"{sent[name]} to {name}" for name in sorted(sent)) or "none yet"
        behind = [f"{size(bytes_)} for {name}" for name, bytes_ in sorted((+waiting).items())]
        queued = f"; waiting: {', '.join(behind)}" if behind else ""
        return [passed("collector", f"spans sent: {counts}{queued}")]
    losses: list[str] = []
    for name in sorted(lost):
        why = ", ".join(sorted(reasons[name] - {""}))
        losses.append(f"{lost[name]} for {name}" + (f" ({why})" if why else ""))
    return [
        warning(
            "collector",
            "collector-loses-spans",
            f"the Collector lost spans since its start: {'; '.join(losses)}",
            "Check the address and the key of the target: the Collector's log has its answer. "
            "`playhead export traces` can send the spans later.",
        )
    ]
