"""Versions of the tables: older stores are migrated in place, newer ones are left alone.

A version is raised with a step here when existing tables change. New tables and views need no step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb

from playhead.errors import StoreError
from playhead.store.durable_copy import copy_durably

__all__ = ["SCHEMA_VERSION", "copy_path", "migration", "require_known", "stored_version"]

SCHEMA_VERSION = 4
"""Version of the tables that this Playhead writes."""

_EXISTS = "SELECT count(*) FROM duckdb_tables() WHERE table_name = ? AND NOT internal"
_COLUMN = """
SELECT count(*) FROM duckdb_columns() WHERE table_name = ? AND column_name = ? AND NOT internal
"""

_EXACT_SPANS = {
    "trace_state": "VARCHAR",
    "flags": "UINTEGER",
    "dropped_attributes_count": "UINTEGER",
    "dropped_events_count": "UINTEGER",
    "dropped_links_count": "UINTEGER",
    "attribute_types": "JSON",
    "scope": "JSON",
    "resource_details": "JSON",
}

Step = Callable[[duckdb.DuckDBPyConnection], Sequence[str]]
"""Returns the statements that bring the tables to a version; none if they need no change."""


def _cache_tokens(connection: duckdb.DuckDBPyConnection) -> Sequence[str]:
    names = ("cache_read_tokens", "cache_write_tokens")
    if not _has(connection, _EXISTS, "journal_llm_calls"):
        return ()
    return [
        f"ALTER TABLE journal_llm_calls ADD COLUMN {name} BIGINT"
        for name in names
        if not _has(connection, _COLUMN, "journal_llm_calls", name)
    ]


def _exact_spans(connection: duckdb.DuckDBPyConnection) -> Sequence[str]:
    return _added(connection, "spans", _EXACT_SPANS)


def _clusters(connection: duckdb.DuckDBPyConnection) -> Sequence[str]:
    return [
        statement
        for table in ("invocations", "state", "journal_copies")
        for statement in _added(connection, table, {"cluster": "VARCHAR"})
    ]


def _watched_clusters(connection: duckdb.DuckDBPyConnection) -> Sequence[str]:
    """Add the cluster to the periods of recording; remove them if it may be one of several.

    They would show that no attempt is missing, also of invocations of the other clusters.
    """
    added = _added(connection, "recordings", {"cluster": "VARCHAR"})
    if not added or not _has(connection, _COLUMN, "invocations", "cluster"):
        return added
    several = "(SELECT count(DISTINCT cluster) > 1 FROM invocations)"
    only = "(SELECT min(cluster) FROM invocations)"
    return [
        *added,
        f"DELETE FROM recordings WHERE {several}",
        f"UPDATE recordings SET cluster = {only}",
    ]


def _added(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str]
) -> Sequence[str]:
    """Return the statements that add missing columns to a table, if it exists."""
    if not _has(connection, _EXISTS, table):
        return ()
    return [
        f"ALTER TABLE {table} ADD COLUMN {name} {kind}"
        for name, kind in columns.items()
        if not _has(connection, _COLUMN, table, name)
    ]


STEPS: dict[int, Step] = {1: _cache_tokens, 2: _exact_spans, 3: _clusters, 4: _watched_clusters}
"""Step to each version from the one before."""


def stored_version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the version of a store's tables; 0 for stores from before there were versions."""
    if not _has(connection, _EXISTS, "schema_version"):
        return 0
    rows = connection.execute("SELECT max(version) FROM schema_version").fetchall()
    return int(rows[0][0] or 0)


def require_known(version: int, path: Path) -> None:
    """Raise StoreError if a store has a newer version than this Playhead knows."""
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"A newer Playhead wrote {path}: its tables have version {version}, and this Playhead "
            f"knows versions up to {SCHEMA_VERSION}",
            "Update Playhead, or choose another folder with --store. The store is unchanged.",
        )


def migration(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[str, str]:
    """Return the SQL before and after the tables are created, to run in the same transaction.

    Args:
        connection: The only connection to the file.
        path: The file. It is copied first if existing tables change; see `copy_path`.

    Raises:
        StoreError: The store is newer, or cannot be copied; it is unchanged then.
    """
    version = stored_version(connection)
    require_known(version, path)
    if version == SCHEMA_VERSION:
        return "", ""
    steps = range(version + 1, SCHEMA_VERSION + 1)
    statements = [statement for number in steps for statement in STEPS[number](connection)]
    if statements:
        _copy(connection, path, copy_path(path, version))
    return (
        "".join(f"{statement};" for statement in statements),
        f"DELETE FROM schema_version; INSERT INTO schema_version VALUES ({SCHEMA_VERSION});",
    )


def copy_path(path: Path, version: int) -> Path:
    """Return the path of the copy that is kept of a store with an older version."""
    return path.with_name(f"{path.stem}-version-{version}{path.suffix}")


def _has(connection: duckdb.DuckDBPyConnection, sql: str, *names: str) -> bool:
    return connection.execute(sql, list(names)).fetchall() != [(0,)]


def _copy(connection: duckdb.DuckDBPyConnection, path: Path, copy: Path) -> None:
    """Copy the file, which has every commit and does not change meanwhile."""
    try:
        connection.execute("CHECKPOINT")
        copy_durably(path, copy)
    except (OSError, duckdb.Error) as error:
        raise StoreError(
            f"{path} cannot be copied before its tables are changed: {error}",
            "Free some space and try again. The store is unchanged.",
        ) from error
