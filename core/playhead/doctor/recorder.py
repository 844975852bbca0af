"""Checks of the recorder: its process, store, journal copies, ports and disk."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playhead.doctor.check import Check, failed, passed, skipped, warning
from playhead.errors import QueryError, RecorderError
from playhead.formatting import duration, size
from playhead.local.ports import port_is_free
from playhead.record.client import StoreClient
from playhead.record.ownership import exposure
from playhead.restate.rows import parse_time
from playhead.settings import Settings
from playhead.values import as_dict

__all__ = ["recorder"]

START = "Start one with `playhead record`."
LOW_DISK_BYTES = 500 * 1024 * 1024
MAX_BEHIND = 100
"""Changed invocations that a recorder may still have to copy while the server is busy."""
MAX_LAG_SECONDS = 120.0


async def recorder(settings: Settings, store: StoreClient | None) -> list[Check]:
    """Check the recorder of these settings.

    Args:
        settings: Settings of the recorder and its store.
        store: The client of the store; None when no recorder and no file was found.
    """
    names = ("store", "journals")
    if store is None:
        finding = f"no recorder is running for the store {settings.store}"
        return [
            failed("recorder", "no-recorder", finding, START),
            *(skipped(name, "there is no store") for name in names),
            _ports(settings),
            _disk(settings.store),
        ]
    try:
        health = await store.health()
        [counts] = await store.rows(
            "SELECT (SELECT count(*) FROM spans) AS spans,"
            " (SELECT count(*) FROM invocations) AS invocations,"
            " (SELECT min(journal_retention) FROM invocations"
            "  WHERE journal_retention > INTERVAL 0 SECONDS) AS retention,"
            " (SELECT count(*) FROM invocations"
            "  WHERE journal_retention = INTERVAL 0 SECONDS) AS unkept"
        )
    except (RecorderError, QueryError) as error:
        return [
            failed("recorder", "no-recorder", error.title, error.hint or START),
            *(skipped(name, "the store cannot be read") for name in names),
        ]
    rows = f"{counts['spans']} spans, {counts['invocations']} invocations"
    exposed = exposure(settings.store)
    stored = warning("store", "store-exposed", rows, exposed) if exposed else passed("store", rows)
    if health is None:
        return [
            failed("recorder", "no-recorder", f"reading the {store.describe()}", START),
            stored,
            skipped("journals", "no recorder is running to copy them"),
            _ports(settings),
            _disk(settings.store),
        ]
    return [
        _running(store, health),
        stored,
        _journals(settings, health, counts),
        _disk(settings.store),
    ]


def _running(store: StoreClient, health: dict[str, Any]) -> Check:
    ports = as_dict(health.get("ports"))
    otlp = f"OTLP on {ports.get('otlp_grpc')} (gRPC) and {ports.get('otlp_http')} (HTTP)"
    where = f"{store.describe()}, {otlp}"
    if health.get("errors"):
        return warning(
            "recorder",
            "recorder-errors",
            f"{where}; {health['errors']} requests failed: {health.get('last_error')}",
            "Read the recorder's output.",
        )
    if health.get("rejected_spans"):
        return warning(
            "recorder",
            "spans-rejected",
            f"{where}; {health['rejected_spans']} malformed spans were rejected",
            "Correct the sender: trace ids must have 16 bytes, span ids 8 bytes, not all zero.",
        )
    return passed("recorder", where)


def _journals(settings: Settings, health: Mapping[str, Any], counts: Mapping[str, Any]) -> Check:
    """Check that the recorder copies journals, from this server, and faster than they expire."""
    name = "journals"
    journals = as_dict(health.get("journals"))
    if not journals:
        return warning(
            name,
            "journals-not-copied",
            "the recorder does not copy journals",
            "Start it without --no-journal.",
        )
    source = str(journals.get("admin_url") or "")
    if journals.get("problem"):
        never = not journals.get("last_copy")
        return failed(
            name,
            "recorder-copies-nothing" if never else "recorder-behind",
            f"the recorder copies nothing from {source}: {journals['problem']}",
            f"Start it with RESTATE_ADMIN_URL={settings.admin_url}.",
        )
    if source and _server(source) != _server(settings.admin_url):
        return warning(
            name,
            "recorder-other-server",
            f"the recorder copies from {source}, and this command reads {settings.admin_url}",
            "Set RESTATE_ADMIN_URL to the same server for both.",
        )
    last = parse_time(journals.get("last_copy"))
    behind = int(journals.get("behind") or 0)
    copied = int(journals.get("invocations") or 0)
    retention = _seconds(counts["retention"])
    lag = (datetime.now(UTC) - last).total_seconds() if last else None
    if lag is not None and retention is not None and lag > retention / 2:
        return failed(
            name,
            "retention-close",
            f"the last complete copy is {duration(lag, coarse=True)} old, and the server deletes "
            f"journals after {duration(retention)}",
            "Increase the journal retention of the service, or read the recorder's output.",
        )
    if behind > MAX_BEHIND or lag is None or lag > MAX_LAG_SECONDS:
        return warning(
            name,
            "recorder-behind",
            f"the recorder has copied {copied:,} of {copied + behind:,} invocations",
            "Run the command again in a few seconds; if the numbers do not change, read the "
            "recorder's output.",
        )
    finding = f"{copied:,} invocations copied, last checked {duration(lag, coarse=True)} ago"
    if counts["unkept"]:
        return warning(
            name,
            "retention-zero",
            f"{finding}; the server deletes the journals of {counts['unkept']:,} of them at their "
            "end",
            "Set a journal retention for the service: without it, the last entries may be missing.",
        )
    return passed(name, finding)


def _server(url: str) -> tuple[str | None, int | None]:
    """Return host and port of an address; the names of this machine are equal."""
    parts = urlsplit(url)
    host = parts.hostname
    local = host in ("localhost", "127.0.0.1", "::1")
    return ("localhost" if local else host), parts.port or {"https": 443}.get(parts.scheme, 80)


def _seconds(retention: object) -> float | None:
    """Return the seconds of a duration such as `PT86400S`."""
    text = str(retention or "")
    try:
        return float(text[2:-1]) if text.startswith("PT") and text.endswith("S") else None
    except ValueError:
        return None


def _ports(settings: Settings) -> Check:
    wanted = (settings.otlp_grpc_port, settings.otlp_http_port, settings.api_port)
    taken = [str(port) for port in wanted if not port_is_free(port)]
    if taken:
        return failed(
            "ports",
            "ports-in-use",
            f"a recorder cannot start; ports in use: {', '.join(taken)}",
            "Stop the program that uses them, or set PLAYHEAD_OTLP_GRPC_PORT,"
            " PLAYHEAD_OTLP_HTTP_PORT or PLAYHEAD_API_PORT.",
        )
    return passed("ports", f"{', '.join(map(str, wanted))} are free")


def _disk(store: Path) -> Check:
    folder = next((p for p in (store, *store.parents) if p.is_dir()), Path())
    free = shutil.disk_usage(folder).free
    finding = f"{size(free)} free for {store}"
    if free < LOW_DISK_BYTES:
        return failed(
            "disk", "disk-full", finding, "Delete files, or move the store with --store DIR."
        )
    return passed("disk", finding)
