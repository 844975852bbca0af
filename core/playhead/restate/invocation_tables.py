"""All rows of one invocation, from Restate's system tables or from the store's copy of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from playhead.restate.queries import quote

__all__ = ["SERVER_TABLES", "STORE_TABLES", "InvocationTables", "read_tables"]

Rows = list[dict[str, Any]]
Query = Callable[[str], Awaitable[Rows]]
"""Runs one SELECT and returns its rows."""

SERVER_TABLES = ("sys_invocation", "sys_journal", "sys_journal_events", "state")
STORE_TABLES = ("invocations", "journal", "journal_events", "state")


@dataclass(frozen=True, slots=True)
class InvocationTables:
    """Rows of one invocation, unparsed."""

    invocations: Rows
    """At most one row."""
    journal: Rows
    """Journal entries with `raw`, unordered."""
    events: Rows
    state: Rows
    """Key and value pairs of the virtual object or workflow; empty for a service."""


async def read_tables(
    query: Query, invocation_id: str, tables: tuple[str, str, str, str]
) -> InvocationTables:
    """Read all rows of an invocation.

    Args:
        query: Runs one SELECT; its exceptions are passed on.
        invocation_id: A complete id.
        tables: `SERVER_TABLES` or `STORE_TABLES`.
    """
    invocations, journal, events, state = tables
    id_ = quote(invocation_id)
    rows = await query(f"SELECT * FROM {invocations} WHERE id = {id_}")
    entries = await query(
        'SELECT "index", entry_type, name, raw, version, appended_at '
        f"FROM {journal} WHERE id = {id_}"
    )
    event_rows = await query(f"SELECT * FROM {events} WHERE id = {id_}")
    values: Rows = []
    if rows and rows[0].get("target_service_key") is not None:
        service, key = (
            quote(str(rows[0][name])) for name in ("target_service_name", "target_service_key")
        )
        where = f"service_name = {service} AND service_key = {key}"
        if cluster := rows[0].get("cluster"):
            where += f" AND coalesce(cluster = {quote(str(cluster))}, true)"
        elif tables == STORE_TABLES:  # which one it changed of several was not kept
            where += f" AND (SELECT count(DISTINCT cluster) FROM {state} WHERE {where}) < 2"
        values = await query(f"SELECT key, value FROM {state} WHERE {where}")
    return InvocationTables(rows, entries, event_rows, values)
