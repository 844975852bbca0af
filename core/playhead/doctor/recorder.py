"""Checks of the recorder: its process, store, journal copies, ports and disk."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playhead.doctor.check import Check, failed, passed, skipped, warning
from playhead.errors import QueryError, RecorderError
from playhead.formatting import duration, size
from playhead.local.ports import port_is_free
from playhead.record.client import StoreClient
from playhead.record.progress import copy_problems
from playhead.restate.rows import parse_time
from playhead.settings import Settings
from playhead.values import as_dict

__all__ = ["recorder"]

START = "Start one with `playhead record`."
LOW_DISK_BYTES = 500 * 1024 * 1024


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
            failed("recorder", finding, START),
            *(skipped(name, "there is no store") for name in names),
            _ports(settings),
            _disk(settings.store),
        ]
    try:
        health = await store.health()
        [counts] = await store.rows(
            "SELECT (SELECT count(*) FROM spans) AS spans,"
            " (SELECT count(*) FROM invocations) AS invocations,"
            " (SELECT min(journal_retention) FROM invocations) AS retention"
        )
    except (RecorderError, QueryError) as error:
        return [
            failed("recorder", error.title, error.hint or START),
            *(skipped(name, "the store cannot be read") for name in names),
        ]
    stored = passed("store", f"{counts['spans']} spans, {counts['invocations']} invocations")
    if health is None:
        return [
            failed("recorder", f"reading the {store.describe()}", START),
            stored,
            skipped("journals", "no recorder is running to copy them"),
            _ports(settings),
            _disk(settings.store),
        ]
    return [
        _running(store, health),
        stored,
        _journals(health, counts["retention"]),
        _disk(settings.store),
    ]


def _running(store: StoreClient, health: dict[str, Any]) -> Check:
    ports = as_dict(health.get("ports"))
    otlp = f"OTLP on {ports.get('otlp_grpc')} (gRPC) and {ports.get('otlp_http')} (HTTP)"
    where = f"{store.describe()}, {otlp}"
    if health.get("errors"):
        return warning(
            "recorder",
            f"{where}; {health['errors']} requests failed: {health.get('last_error')}",
            "Read the recorder's output.",
        )
    if health.get("rejected_spans"):
        return warning(
            "recorder",
            f"{where}; {health['rejected_spans']} malformed spans were rejected",
            "Correct the sender: trace ids must have 16 bytes, span ids 8 bytes, not all zero.",
        )
    return passed("recorder", where)


def _journals(health: dict[str, Any], retention: object) -> Check:
    journals = health.get("journals")
    if not journals:
        return warning("journals", "the recorder does not copy journals",
                       "Start it without --no-journal.")  # fmt: skip
    if journals.get("problem"):
        return failed(
            "journals", f"the last copy failed: {journals['problem']}", "Check RESTATE_ADMIN_URL."
        )
    last = parse_time(journals.get("last_copy"))
    if last is None and not journals.get("behind"):
        return warning(
            "journals", "no journal has been copied yet", "Run the command again in a few seconds."
        )
    if problems := copy_problems(health):
        return warning("journals", problems[0].rstrip("."), "Wait until they are copied.")
    assert last is not None
    lag = (datetime.now(UTC) - last).total_seconds()
    retention_seconds = _seconds(retention)
    finding = (
        f"{journals.get('invocations', 0)} invocations copied, "
        f"last checked {duration(lag, coarse=True)} ago"
    )
    if retention_seconds is not None and lag > retention_seconds / 2:
        return failed(
            "journals",
            f"{finding}, but the server deletes journals after {duration(retention_seconds)}",
            "Increase the journal retention of the service, or read the recorder's output.",
        )
    if lag > 120:
        return warning("journals", finding, "Read the recorder's output.")
    return passed("journals", finding)


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
        return failed("disk", finding, "Delete files, or move the store with --store DIR.")
    return passed("disk", finding)
