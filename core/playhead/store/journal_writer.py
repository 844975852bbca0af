"""The writer of invocations that the journal copier read from Restate's SQL API."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from playhead.model.status import GONE
from playhead.store.arrow import ArrowTable, pa
from playhead.store.calls.llm_calls import update_llm_calls
from playhead.store.database import Store
from playhead.store.stale_figures import note_stale
from playhead.store.tables import TABLES

__all__ = ["CopyProgress", "JournalCopy", "copy_progress", "write_copy"]

_BATCH = "incoming_rows"


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """Progress of the copy of one invocation."""

    modified_ms: int
    """The server's `modified_at` of the copied row, in milliseconds since 1970."""
    entries: int
    """Journal entries copied."""
    final: bool
    """Whether the invocation had ended when it was copied."""
    cluster: str | None = None
    """Cluster that it was copied from; None if it was copied before this was kept."""

    def is_of(self, cluster: str) -> bool:
        """Return whether it was copied from this cluster, as far as is known."""
        return self.cluster is None or self.cluster == cluster


@dataclass(frozen=True, slots=True)
class JournalCopy:
    """Rows of one round, as the server returned them."""

    invocations: ArrowTable
    journal: ArrowTable
    """Entries to add or to replace, by (id, index)."""
    events: ArrowTable
    """All events that the server has for these invocations."""
    state: ArrowTable | None
    state_of: list[tuple[str, str]]
    """(service_name, service_key) of the objects with their complete state in `state`."""
    updated: list[str]
    """Ids of the invocations that are in the store already and have rows to replace."""
    progress: Mapping[str, CopyProgress] = field(default_factory=dict[str, CopyProgress])
    gone: list[str] = field(default_factory=list[str])
    """Ids of the invocations that had not ended, and that the server no longer has."""
    cluster: str | None = None
    """Cluster of the server."""
    replaced: list[str] = field(default_factory=list[str])
    """Ids of invocations that were copied from another cluster, which has the same ids."""


def copy_progress(store: Store) -> dict[str, CopyProgress]:
    """Return the progress of each invocation's copy in the store, by id."""
    cursor = store.cursor()
    try:
        rows: list[tuple[Any, ...]] = cursor.execute(
            "SELECT id, modified_ms, entries, final, cluster FROM journal_copies"
        ).fetchall()
    finally:
        cursor.close()
    return {id_: CopyProgress(*progress) for id_, *progress in rows}


def write_copy(store: Store, copy: JournalCopy) -> None:
    """Write one round in one transaction. Rows that the server has purged stay in the store."""
    with store.transaction(noted=True) as connection:
        for table in ("invocations", "journal", "journal_events") if copy.replaced else ():
            connection.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT unnest(?::VARCHAR[]))", [copy.replaced]
            )
        if copy.updated:
            _delete(connection, "invocations", copy.updated, copy.invocations, "id")
            _delete(connection, "journal", copy.updated, copy.journal, "id", "index")
            _delete(connection, "journal_events", copy.updated, copy.events, "id")
            connection.execute(
                "DELETE FROM journal_copies WHERE id IN (SELECT unnest(?::VARCHAR[]))",
                [copy.updated],
            )
        _insert(connection, "invocations", _of(copy.cluster, copy.invocations))
        _insert(connection, "journal", copy.journal)
        _insert(connection, "journal_events", copy.events)
        if copy.state is not None:
            connection.execute(
                "DELETE FROM state WHERE (service_name, service_key) IN "
                "(SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[])) "
                "AND coalesce(cluster = ?, true)",
                [
                    [service for service, _ in copy.state_of],
                    [key for _, key in copy.state_of],
                    copy.cluster,
                ],
            )
            _insert(connection, "state", _of(copy.cluster, copy.state))
        if copy.gone:
            connection.execute(
                "UPDATE invocations SET status = ? WHERE id IN (SELECT unnest(?::VARCHAR[]))",
                [GONE, copy.gone],
            )
        _write_progress(connection, copy.progress)
        note_stale(connection, _changed(copy))
        update_llm_calls(connection, copy.progress)


def _changed(copy: JournalCopy) -> set[str]:
    """Return the invocations about which something is written."""
    written = (copy.invocations, copy.journal, copy.events)
    rows = (table.column("id").unique().to_pylist() for table in written if table.num_rows)
    return {*copy.progress, *copy.replaced, *copy.gone, *itertools.chain(*rows)}


def _write_progress(
    connection: duckdb.DuckDBPyConnection, progress: Mapping[str, CopyProgress]
) -> None:
    ids = list(progress)
    done = list(progress.values())
    connection.execute(
        "INSERT INTO journal_copies SELECT unnest(?::VARCHAR[]), unnest(?::BIGINT[]), "
        "unnest(?::UINTEGER[]), unnest(?::BOOLEAN[]), unnest(?::VARCHAR[])",
        [
            ids,
            [d.modified_ms for d in done],
            [d.entries for d in done],
            [d.final for d in done],
            [d.cluster for d in done],
        ],
    )


def _of(cluster: str | None, rows: ArrowTable) -> ArrowTable:
    """Return the rows with the name of the cluster, which the server's tables do not have."""
    if not rows.num_columns:
        return rows
    return rows.append_column("cluster", pa.array([cluster] * rows.num_rows, pa.string()))


def _delete(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    updated: list[str],
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
            [updated],
        )
    finally:
        connection.unregister(_BATCH)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: ArrowTable) -> None:
    """Insert by column name. Columns that only a newer server has are left out."""
    if not rows.num_rows:
        return
    rows = rows.select([name for name in rows.column_names if name in TABLES[table].columns])
    connection.register(_BATCH, rows)
    try:
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM {_BATCH}")
    finally:
        connection.unregister(_BATCH)
