"""Checks of the Restate server: admin API, version, ingress, deployments and clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from playhead.doctor.check import Check, failed, passed, skipped, warning
from playhead.errors import RestateError
from playhead.formatting import date_time, duration
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
    "sys_invocation_status": frozenset(
        {"id", "target", "status", "created_at", "completion_result", "completion_failure"}
    ),
    "sys_invocation_state": frozenset({"id", "in_flight", "retry_count", "last_failure"}),
    "sys_journal": frozenset(
        {"index", "entry_type", "raw", "raw_length", "entry_lite_json", "appended_at", "version"}
    ),
    "sys_journal_events": frozenset({"id", "event_type", "event_json", "appended_at"}),
    "state": frozenset({"service_name", "service_key", "key", "value"}),
}  # fmt: skip
"""Columns that Playhead reads."""

_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_name IN ("
    + ", ".join(f"'{table}'" for table in NEEDED)
    + ")"
)


async def server(client: RestateClient) -> list[Check]:
    """Check the server; the checks that need an answer are skipped without one."""
    name = "restate"
    try:
        begun = time.time()
        response = await client.send("GET", f"{client.admin_url}/version")
        ended = time.time()
        about: dict[str, Any] = response.json()
    except RestateError as error:
        rest = ("version", "ingress", "deployments", "clock")
        return [
            failed(name, "server-unreachable", error.title, error.hint),
            *(skipped(n, "no server answers") for n in rest),
        ]
    except ValueError:
        return [
            failed(
                name,
                "not-a-restate-server",
                f"{client.admin_url} is not a Restate admin API",
                "Set RESTATE_ADMIN_URL.",
            )
        ]
    return [
        passed(name, f"the admin API answers at {client.admin_url}"),
        await _version(client, str(about.get("version", "unknown"))),
        await _ingress(client),
        await _deployments(client),
        _clock(response.headers.get("date"), begun, ended),
    ]


async def _version(client: RestateClient, version: str) -> Check:
    try:
        rows = await client.query(_COLUMNS)
    except RestateError as error:
        return failed("version", "server-version", f"Restate {version}: {error.title}", error.hint)
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["table_name"], set()).add(row["column_name"])
    absent = sorted(
        f"{table}.{column}"
        for table, columns in NEEDED.items()
        for column in columns - found.get(table, set())
    )
    if absent:
        return failed(
            "version",
            "server-version",
            f"Restate {version} has no {', '.join(absent[:4])}{' …' if absent[4:] else ''}",
            "Use Restate 1.7, with which Playhead is tested.",
        )
    return passed("version", f"Restate {version} has every table and column that Playhead reads")


async def _ingress(client: RestateClient) -> Check:
    if client.ingress_url is None:
        return skipped("ingress", "RESTATE_INGRESS_URL is not set")
    try:
        await client.send("GET", f"{client.ingress_url}/restate/health")
    except RestateError as error:
        return warning(
            "ingress",
            "ingress-unreachable",
            error.title,
            "Set RESTATE_INGRESS_URL to the server's ingress. Only resolving awakeables needs it.",
        )
    return passed("ingress", f"the ingress answers at {client.ingress_url}")


async def _deployments(client: RestateClient) -> Check:
    try:
        deployments = await Control(client).deployments()
    except RestateError as error:
        return failed("deployments", "server-unreachable", error.title, error.hint)
    if not deployments:
        return warning(
            "deployments",
            "no-deployment",
            "no service is registered",
            "Register one: `restate deployments register http://host:9080`.",
        )
    uris = [d.uri for d in deployments if d.uri]
    open_ = await asyncio.gather(*map(_connects, uris))
    closed = [uri for uri, answers in zip(uris, open_, strict=True) if not answers]
    if closed:
        return warning(
            "deployments",
            "deployment-unreachable",
            f"{len(closed)} of {len(deployments)} cannot be reached: {', '.join(closed[:3])}",
            "Start the service there, or remove the deployment: its invocations are blocked."
            " The server may reach addresses that this machine cannot.",
        )
    return passed(
        "deployments", f"{len(deployments)} registered; every one with an address answers"
    )


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
    """Compare the server's clock with this machine's; the `Date` header has whole seconds."""
    if date is None:
        return skipped("clock", "the server's answer has no Date header")
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return skipped("clock", f"the server's Date header cannot be read: {date}")
    ahead = max(theirs - ended, begun - (theirs + 1), 0.0)
    if ahead > MAX_SKEW_SECONDS:
        here = date_time(datetime.now(UTC))
        return warning(
            "clock",
            "server-clock",
            f"the server's clock and this machine's differ by {duration(ahead)} ({here} here)",
            "Synchronize both clocks with NTP: ages and timelines are wrong by this difference.",
        )
    return passed("clock", "the server's clock and this machine's agree")
