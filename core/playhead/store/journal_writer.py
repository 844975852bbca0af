"""Writing what the journal copier read from Restate's admin SQL API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from playhead.store.arrow import ArrowTable
from playhead.store.database import Store
from playhead.store.schema import TABLES

__all__ = ["CopiedInvocation", "Copy", "known_copies", "write_copy"]

_BATCH = "incoming_rows"


@dataclass(frozen=True, slots=True)
class CopiedInvocation:
    """How far an invocation has been copied."""

    modified_ms: int
    """The server's `modified_at` of the copied row, in milliseconds since 1970."""
    entries: int
    """Journal entries copied."""
    final: bool
    """Whether it was copied after it had completed."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Rows of one round; each table as the server gave it, without columns we do not keep."""

    invocations: ArrowTable
    journal: ArrowTable
    """Entries to add or to replace, by (id, index)."""
    events: ArrowTable
    """All events that the server has of these invocations."""
    state: ArrowTable | None
    state_of: list[tuple[str, str]]
    """(service_name, service_key) whose whole state `state` holds."""
    known: list[str]
    """Which of the invocations are in the store already: only they have rows to replace."""
    progress: Mapping[str, CopiedInvocation] = field(default_factory=dict[str, CopiedInvocation])


def known_copies(store: Store) -> dict[str, CopiedInvocation]:
    """How far every invocation in the store has been copied, by id."""
    cursor = store.cursor()
    try:
        rows: list[tuple[Any, ...]] = cursor.execute(
            "SELECT id, modified_ms, entries, final FROM journal_copies"
        ).fetchall()
    finally:
        cursor.close()
    return {id_: CopiedInvocation(at, entries, final) for id_, at, entries, final in rows}


def write_copy(store: Store, copy: Copy) -> None:
    """Write one round in one transaction. What the server has forgotten stays here."""
    with store.transaction() as connection:
        if copy.known:
            _delete(connection, "invocations", copy.known, copy.invocations, "id")
            _delete(connection, "journal", copy.known, copy.journal, "id", "index")
            _delete(connection, "journal_events", copy.known, copy.events, "id")
            connection.execute(
                "DELETE FROM journal_copies WHERE id IN (SELECT unnest(?::VARCHAR[]))",
                [copy.known],
            )
        _insert(connection, "invocations", copy.invocations)
        _insert(connection, "journal", copy.journal)
        _insert(connection, "journal_events", copy.events)
        if copy.state is not None:
            connection.execute(
                "DELETE FROM state WHERE (service_name, service_key) IN "
                "(SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]))",
                [[service for service, _ in copy.state_of], [key for _, key in copy.state_of]],
            )
            _insert(connection, "state", copy.state)
        _note(connection, copy.progress)


def _note(connection: duckdb.DuckDBPyConnection, progress: Mapping[str, CopiedInvocation]) -> None:
    ids = list(progress)
    done = list(progress.values())
    connection.execute(
        "INSERT INTO journal_copies SELECT unnest(?::VARCHAR[]), unnest(?::BIGINT[]), "
        "unnest(?::UINTEGER[]), unnest(?::BOOLEAN[])",
        [ids, [d.modified_ms for d in done], [d.entries for d in done], [d.final for d in done]],
    )


def _delete(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    known: list[str],
    rows: ArrowTable,
    *key: str,
) -> None:
    """Delete the stored rows that have the key of a new one."""
    if not rows.num_rows:
        return
    connection.register(_BATCH, rows)
    try:
        same = " AND ".join(f'{table}."{name}" = {_BATCH}."{name}"' for name in key)
        connection.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT unnest(?::VARCHAR[])) "
            f"AND EXISTS (SELECT 1 FROM {_BATCH} WHERE {same})",
            [known],
        )
    finally:
        connection.unregister(_BATCH)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: ArrowTable) -> None:
    """Insert by name; columns of a newer server that the store lacks are left out."""
    if not rows.num_rows:
        return
    rows = rows.select([name for name in rows.column_names if name in TABLES[table].columns])
    connection.register(_BATCH, rows)
    try:
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM {_BATCH}")
    finally:
        connection.unregister(_BATCH)
