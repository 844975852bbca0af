"""Settings of the store's database: limits of memory, and what SQL can reach."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from playhead.store.archive_files import ARCHIVE, literal_pattern

__all__ = ["COMMIT_MEMORY", "SETTINGS", "SPILL", "database_settings", "restrict"]

SPILL = "spill"
"""Folder for parts of a query that exceed the memory limit."""
MEMORY = "400MB"
"""Memory of the database, for all queries and the write-ahead log together."""
COMMIT_MEMORY = "480MB"
"""The same during a commit while queries run, which may have used up the other.

DuckDB gives up a database that finds no memory for a commit. To open it again takes a second.
"""
CHECKPOINT_THRESHOLD = "1GB"

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # Automatic checkpoints stall acknowledgements for seconds.
    "checkpoint_threshold": CHECKPOINT_THRESHOLD,
    "allowed_configs": ["memory_limit"],
    # A name in SQL is a table, never a Python variable.
    "python_enable_replacements": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    # The newest rows of a table are found by its sorted columns; only theirs are read whole.
    "late_materialization_max_rows": 5000,
}


def database_settings(folder: Path) -> dict[str, str | bool | int | float | list[str]]:
    """Return the settings of a store's database, with its limit of memory and its spill folder."""
    return {**SETTINGS, "memory_limit": MEMORY, "temp_directory": str(folder / SPILL)}


def restrict(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Let SQL reach neither files nor the network, except the archive of the store."""
    archive = folder.absolute() / ARCHIVE
    # DuckDB compares patterns as they are written.
    allowed = [str(archive) + os.sep, literal_pattern(archive) + os.sep]
    connection.execute("SET allowed_directories = [?, ?]", allowed)
    connection.execute("SET enable_external_access = false")
