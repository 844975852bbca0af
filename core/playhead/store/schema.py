"""The SQL that creates the tables and views of the store, and their descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from playhead.store.archive import ARCHIVED_TABLES, archive_views, with_archive
from playhead.store.tables import TABLES
from playhead.store.views import VIEWS

if TYPE_CHECKING:
    import duckdb

__all__ = ["archive_statements", "create_statements", "describe"]

ZSTD = {"spans": ("attributes", "events"), "journal": ("raw", "entry_lite_json")}
"""Columns with long values. DuckDB's default, a dictionary, takes three times time and space."""


def create_statements() -> str:
    """Return the SQL that creates missing tables and replaces the views."""
    tables = [
        f"CREATE TABLE IF NOT EXISTS {name} ("
        + ", ".join(_column(name, column, kind) for column, kind in table.types.items())
        + ");"
        for name, table in TABLES.items()
    ]
    views = [f"CREATE OR REPLACE VIEW {name} AS {view.sql()};" for name, view in VIEWS.items()]
    return "\n".join([*tables, *views])


def archive_statements(
    cursor: duckdb.DuckDBPyConnection, folder: Path, *, temporary: bool = False
) -> str:
    """Return the SQL that creates the views that span the tables and the archive in a folder.

    Args:
        cursor: A connection of its own, to look at the files.
        folder: Folder of the store.
        temporary: Whether they last as long as their connection.
    """
    attempts = with_archive(VIEWS["invocation_attempts"].sql())
    kind = "TEMP VIEW" if temporary else "VIEW"
    return (
        f"{archive_views(cursor, folder, temporary=temporary)}"
        f" CREATE OR REPLACE {kind} all_invocation_attempts AS {attempts};"
    )


def _column(table: str, column: str, kind: str) -> str:
    compression = " USING COMPRESSION zstd" if column in ZSTD.get(table, ()) else ""
    return f'"{column}" {kind}{compression}'


def describe() -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """Return every table and view as (name, description, [(column, type, description)])."""
    tables = [
        (name, table.description, [(column, *rest) for column, rest in table.columns.items()])
        for name, table in TABLES.items()
    ]
    views = [
        (name, view.description, [(c.name, c.type, c.description) for c in view.columns])
        for name, view in VIEWS.items()
    ]
    archived = [
        (f"all_{name}", f"The rows of `{name}` and of the archive; the same columns.",
         [(column, *rest) for column, rest in TABLES[name].columns.items()])
        for name in ARCHIVED_TABLES
    ]  # fmt: skip
    name = "invocation_attempts"
    columns = [(c.name, c.type, c.description) for c in VIEWS[name].columns]
    archived.append((f"all_{name}", f"The rows of `{name}` and of the archive.", columns))
    return tables + views + archived
