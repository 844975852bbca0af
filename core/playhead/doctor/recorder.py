"""The recorder: running, its store readable, its copies of journals in time, its ports."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playhead.doctor.check import Check, fault, fine, skipped, warning
from playhead.errors import QueryError, RecorderError
from playhead.local.ports import port_is_free
from playhead.record.client import StoreClient
from playhead.restate.rows import parse_time
from playhead.settings import Settings
from playhead.values import as_dict

__all__ = ["recorder"]

START = "Start it: playhead record"
LOW_DISK_BYTES = 500 * 1024 * 1024


async def recorder(settings: Settings, source: StoreClient | None) -> list[Check]:
    """Whether a recorder runs, and whether what it wrote can be read."""
    names = ("store", "journals")
    if source is None:
        says = f"none answers for the store {settings.store}"
        return [
            fault("recorder", says, START),
            *(skipped(name, "no recording") for name in names),
            _ports(settings),
            _disk(settings.store),
        ]
    try:
        health = await source.health()
        [counts] = await source.rows(
            "SELECT (SELECT count(*) FROM spans) AS spans,"
            " (SELECT count(*) FROM invocations) AS invocations,"
            " (SELECT min(journal_retention) FROM invocations) AS retention"
        )
    except (RecorderError, QueryError) as error:
        return [fault("recorder", str(error), START), *(skipped(n, "no answer") for n in names)]
    stored = fine("store", f"{counts['spans']} spans, {counts['invocations']} invocations")
    if health is None:
        return [
            fault("recorder", f"none runs; reading the {source.describe()}", START),
            stored,
            skipped("journals", "nobody copies them now"),
            _ports(settings),
            _disk(settings.store),
        ]
    return [
        _running(source, health),
        stored,
        _journals(health, counts["retention"]),
        _disk(settings.store),
    ]


def _running(source: StoreClient, health: dict[str, Any]) -> Check:
    ports = as_dict(health.get("ports"))
    otlp = f"OTLP on {ports.get('otlp_grpc')} (gRPC) and {ports.get('otlp_http')} (HTTP)"
    where = f"{source.describe()}, {otlp}"
    if health.get("errors"):
        return warning(
            "recorder",
            f"{where}; {health['errors']} requests failed: {health.get('last_error')}",
            "See the recorder's output.",
        )
    if health.get("rejected_spans"):
        return warning(
            "recorder",
            f"{where}; {health['rejected_spans']} malformed spans were rejected",
            "See what sends them in the recorder's output.",
        )
    return fine("recorder", where)


def _journals(health: dict[str, Any], retention: object) -> Check:
    journals = health.get("journals")
    if not journals:
        return warning("journals", "the recorder does not copy them",
                       "Start it without --no-journal.")  # fmt: skip
    if journals.get("problem"):
        return fault("journals", f"not copied: {journals['problem']}", "See RESTATE_ADMIN_URL.")
    last = parse_time(journals.get("last_copy"))
    if last is None:
        return warning("journals", "none has been copied yet", "Look again in some seconds.")
    lag = (datetime.now(UTC) - last).total_seconds()
    kept = _seconds(retention)
    says = f"{journals.get('invocations', 0)} copied, last look {lag:.0f} s ago"
    if kept is not None and lag > kept / 2:
        return fault(
            "journals",
            f"{says}, but the server forgets journals after {kept:.0f} s",
            "Raise journal_retention of the service, or see why the recorder is slow.",
        )
    if lag > 120:
        return warning("journals", says, "See why in the recorder's output.")
    return fine("journals", says)


def _seconds(duration: object) -> float | None:
    """Seconds of `PT86400S`."""
    text = str(duration or "")
    try:
        return float(text[2:-1]) if text.startswith("PT") and text.endswith("S") else None
    except ValueError:
        return None


def _ports(settings: Settings) -> Check:
    wanted = (settings.otlp_grpc_port, settings.otlp_http_port, settings.api_port)
    taken = [str(port) for port in wanted if not port_is_free(port)]
    if taken:
        return fault(
            "ports",
            f"a recorder could not listen: {', '.join(taken)} in use by another one, or a program",
            "End it, or set PLAYHEAD_OTLP_GRPC_PORT, PLAYHEAD_OTLP_HTTP_PORT, PLAYHEAD_API_PORT.",
        )
    return fine("ports", f"{', '.join(map(str, wanted))} are free for a recorder")


def _disk(store: Path) -> Check:
    folder = next((p for p in (store, *store.parents) if p.is_dir()), Path())
    free = shutil.disk_usage(folder).free
    says = f"{free / 1e9:.1f} GB free for {store}"
    if free < LOW_DISK_BYTES:
        return fault("disk", says, "Free some, or move the store: --store DIR.")
    return fine("disk", says)
