"""The Restate server: reachable, of a version that has what we read, its services reachable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from playhead.doctor.check import Check, fault, fine, skipped, warning
from playhead.errors import RestateError
from playhead.restate.client import RestateClient
from playhead.restate.control import Control

__all__ = ["MAX_SKEW_SECONDS", "server"]

MAX_SKEW_SECONDS = 2.0
CONNECT_SECONDS = 3.0

NEEDED: Mapping[str, frozenset[str]] = {
    "sys_invocation": frozenset(
        {"id", "status", "completion_result", "completion_failure", "modified_at", "trace_id",
         "journal_size", "suspended_waiting_for_signals", "last_failure_related_command_index"}
    ),
    "sys_invocation_status": frozenset({"id", "status", "created_at", "completion_result"}),
    "sys_invocation_state": frozenset({"id", "in_flight", "retry_count"}),
    "sys_journal": frozenset(
        {"index", "entry_type", "raw", "raw_length", "entry_lite_json", "appended_at", "version"}
    ),
    "sys_journal_events": frozenset({"id", "event_type", "event_json", "appended_at"}),
    "state": frozenset({"service_name", "service_key", "key", "value"}),
}  # fmt: skip
"""Columns without which invocations cannot be shown."""

_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_name IN ("
    + ", ".join(f"'{table}'" for table in NEEDED)
    + ")"
)


async def server(client: RestateClient) -> list[Check]:
    """The admin API, the ingress, the deployments, the clock."""
    name = "restate"
    try:
        begun = time.time()
        response = await client.send("GET", f"{client.admin_url}/version")
        ended = time.time()
        about: dict[str, Any] = response.json()
    except RestateError as error:
        rest = ("version", "ingress", "deployments", "clock")
        return [fault(name, error.title, error.hint), *(skipped(n, "no server") for n in rest)]
    except ValueError:
        return [
            fault(name, f"{client.admin_url} is not Restate's admin API", "Set RESTATE_ADMIN_URL.")
        ]
    return [
        fine(name, f"admin API answers at {client.admin_url}"),
        await _version(client, str(about.get("version", "unknown"))),
        await _ingress(client),
        await _deployments(client),
        _clock(response.headers.get("date"), begun, ended),
    ]


async def _version(client: RestateClient, version: str) -> Check:
    try:
        rows = await client.query(_COLUMNS)
    except RestateError as error:
        return fault("version", f"Restate {version}: {error.title}", error.hint)
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["table_name"], set()).add(row["column_name"])
    absent = sorted(
        f"{table}.{column}"
        for table, columns in NEEDED.items()
        for column in columns - found.get(table, set())
    )
    if absent:
        return fault(
            "version",
            f"Restate {version} lacks {', '.join(absent[:4])}{' …' if absent[4:] else ''}",
            "Use a newer Restate; Playhead is tested with 1.7.",
        )
    return fine("version", f"Restate {version} has all that is read")


async def _ingress(client: RestateClient) -> Check:
    if client.ingress_url is None:
        return skipped("ingress", "no address of the ingress is set")
    try:
        await client.send("GET", f"{client.ingress_url}/restate/health")
    except RestateError as error:
        return warning(
            "ingress",
            f"{client.ingress_url}: {error.title}",
            "Only needed to resolve awakeables. Set RESTATE_INGRESS_URL to the server's ingress.",
        )
    return fine("ingress", f"answers at {client.ingress_url}")


async def _deployments(client: RestateClient) -> Check:
    try:
        deployments = await Control(client).deployments()
    except RestateError as error:
        return fault("deployments", error.title, error.hint)
    if not deployments:
        return warning(
            "deployments",
            "no service is registered",
            "Register one: restate deployments register http://host:9080",
        )
    uris = [d.uri for d in deployments if d.uri]
    open_ = await asyncio.gather(*map(_connects, uris))
    closed = [uri for uri, answers in zip(uris, open_, strict=True) if not answers]
    if closed:
        return warning(
            "deployments",
            f"{len(closed)} of {len(deployments)} not reachable from here: {', '.join(closed[:3])}",
            "Start the service there, or remove the deployment. Invocations pinned to it wait."
            " (The server may reach addresses that this machine cannot.)",
        )
    return fine("deployments", f"{len(deployments)} registered, all that have an address answer")


async def _connects(uri: str) -> bool:
    parts = urlsplit(uri)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        connecting = asyncio.open_connection(parts.hostname, port)
        _, writer = await asyncio.wait_for(connecting, CONNECT_SECONDS)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _clock(date: str | None, begun: float, ended: float) -> Check:
    """The server's clock against ours; its `Date` header has whole seconds."""
    if date is None:
        return skipped("clock", "the server does not tell its time")
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return skipped("clock", f"the server's time cannot be read: {date}")
    ahead = max(theirs - ended, begun - (theirs + 1), 0.0)
    if ahead > MAX_SKEW_SECONDS:
        here = datetime.now(UTC).strftime("%H:%M:%S")
        return warning(
            "clock",
            f"the server's clock is {ahead:.0f} s off ours ({here} UTC here)",
            "Let both machines keep their time by NTP; ages and bars are off by as much.",
        )
    return fine("clock", "the server's clock agrees with ours")
