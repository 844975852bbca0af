"""Upkeep of a store: its sizes, checks, backups, the archive, and a smaller file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from playhead.errors import StoreError
from playhead.store.archive import ARCHIVED_TABLES, move_to_archive
from playhead.store.archive_files import damage, part_files
from playhead.store.database import DATABASE, Store
from playhead.store.durable_copy import copy_durably
from playhead.store.folder_lock import exclusive
from playhead.store.schema import archive_statements, create_statements
from playhead.store.tables import TABLES

__all__ = ["perform", "vacuum"]

_TIMES: Mapping[str, str] = {
    "spans": "to_timestamp({}(start_unix_nano) / 1e9)",
    "invocations": "{}(created_at)",
    "journal": "{}(appended_at)",
    "journal_events": "{}(appended_at)",
}
_ISO = "strftime({} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"
_DOUBLED = """
SELECT count(*) FROM (SELECT 1 FROM spans GROUP BY trace_id, span_id HAVING count(*) > 1)
"""
_ALWAYS = (
    "trace_id", "span_id", "name", "kind", "service_name", "scope_name", "start_unix_nano",
    "status_code", "attributes", "resource", "events", "links",
)  # fmt: skip
"""Columns that the recorder sets for each span."""
_INCOMPLETE = "SELECT count(*) FROM spans WHERE " + " OR ".join(f"{c} IS NULL" for c in _ALWAYS)


def perform(store: Store, task: Mapping[str, Any]) -> dict[str, Any]:
    """Perform a task on an open store, while others read and write it.

    Args:
        store: The store.
        task: `{"task": "summary" | "verify" | "backup" | "archive" | "delete"}`, with `path` for a
            backup and `before` (a day, ISO 8601) for the last two.

    Raises:
        StoreError: The task failed; the title says why.
        ValueError: It is not a task.
    """
    match task.get("task"):
        case "summary":
            return _summary(store)
        case "verify":
            return _verify(store)
        case "backup":
            return _back_up(store, Path(str(task["path"])))
        case "archive" | "delete" as name:
            return _archive(store, date.fromisoformat(str(task["before"])), keep=name == "archive")
        case other:
            raise ValueError(f"{other!r} is not a task")


def _summary(store: Store) -> dict[str, Any]:
    tables: list[dict[str, Any]] = []
    with contextlib.closing(store.cursor()) as cursor:
        [(block,)] = cursor.execute("SELECT block_size FROM pragma_database_size()").fetchall()
        for name in TABLES:
            [(blocks,)] = cursor.execute(
                "SELECT count(DISTINCT block_id) FROM pragma_storage_info(?) WHERE block_id >= 0",
                [name],
            ).fetchall()
            times = _TIMES.get(name, "NULL::TIMESTAMPTZ")
            oldest, newest = (_ISO.format(times.format(end)) for end in ("min", "max"))
            [(rows, oldest, newest)] = cursor.execute(
                f"SELECT count(*), {oldest}, {newest} FROM {name}"
            ).fetchall()
            tables.append({
                "table": name, "rows": rows, "bytes": blocks * block,
                "oldest": oldest, "newest": newest,
            })  # fmt: skip
    archived = [
        path
        for table in ARCHIVED_TABLES
        for path in part_files(store.folder, table)
        if path.is_file()
    ]
    return {
        "store": str(store.folder),
        "bytes": store.bytes(),
        "tables": tables,
        "archive": {"files": len(archived), "bytes": sum(p.stat().st_size for p in archived)},
    }


def _verify(store: Store) -> dict[str, Any]:
    """Read every value, whose blocks have checksums, and check that spans are whole and unique."""
    problems: list[str] = []
    with contextlib.closing(store.cursor()) as cursor:
        for name in TABLES:
            try:
                cursor.execute(f"SELECT bit_xor(hash(COLUMNS(*))) FROM {name}").fetchall()
            except duckdb.Error as error:
                problems.append(f"{name} cannot be read: {error}")
        with contextlib.suppress(duckdb.Error):
            [(doubled,)] = cursor.execute(_DOUBLED).fetchall()
            if doubled:
                problems.append(f"{doubled} spans are stored more than once")
            [(incomplete,)] = cursor.execute(_INCOMPLETE).fetchall()
            if incomplete:
                problems.append(f"Spans that have lost their start or another value: {incomplete}")
        problems += _archive_problems(cursor, store.folder)
    if store.set_aside_log is not None:
        problems.append(f"The write-ahead log was damaged; it is kept as {store.set_aside_log}")
    return {"problems": problems}


def _archive_problems(cursor: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    """Read every value of the archive, and look for runs without files."""
    problems: list[str] = []
    found: set[str] = set()
    for table in ARCHIVED_TABLES:
        found |= {path.stem.removeprefix("part-") for path in part_files(folder, table)}
        if problem := damage(cursor, folder, table):
            problems.append(problem)
            continue
        try:
            cursor.execute(f"SELECT bit_xor(hash(COLUMNS(*))) FROM all_{table}").fetchall()
        except duckdb.Error as error:
            problems.append(f"all_{table} cannot be read: {error}")
    runs: list[tuple[str, str]] = cursor.execute(
        "SELECT run, before::VARCHAR FROM archives ORDER BY before"
    ).fetchall()
    problems += [
        f"The archive has no file of run {run}, which moved what ended before {before}"
        for run, before in runs
        if run not in found
    ]
    return problems


def _back_up(store: Store, target: Path) -> dict[str, Any]:
    """Copy the database to a new file. Spans are acknowledged meanwhile, and committed later."""
    if os.path.lexists(target):
        raise StoreError(f"{target} already exists", "Choose a new name for the backup.")
    try:
        with store.quiet() as path:
            copy_durably(path, target)
    except OSError as error:
        raise StoreError(
            f"The backup {target} cannot be written: {error.strerror or error}",
            "Choose another place, which can be written and has room.",
        ) from error
    return {"path": str(target), "bytes": target.stat().st_size}


def _archive(store: Store, before: date, *, keep: bool) -> dict[str, Any]:
    with store.transaction() as connection:
        moved = move_to_archive(connection, store.folder, before, keep=keep)
        with contextlib.closing(store.cursor()) as cursor:
            views = archive_statements(cursor, store.folder)
        connection.execute(views)
        # Within the transaction: the next writer looks for its spans in the archive, too.
        store.removed_spans += moved.rows["spans"]
    return {"days": moved.days, "rows": moved.rows}


def vacuum(folder: Path) -> tuple[int, int]:
    """Write the database again without the space of deleted rows; return its sizes in bytes.

    Raises:
        StoreError: The store is in use, or cannot be written; it is unchanged then.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise StoreError(f"{folder} has no store", "Name another folder with --store.")
    Store(folder).close()  # moves the write-ahead log into the file
    fresh = folder / f"{DATABASE}.vacuum"
    with exclusive(folder):
        try:
            fresh.unlink(missing_ok=True)
            _copy(path, fresh)
            sizes = path.stat().st_size, fresh.stat().st_size
            fresh.chmod(0o600)
            fresh.replace(path)
        except (duckdb.Error, OSError) as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise StoreError(
                f"{path} cannot be written again: {error}",
                "The store is unchanged. Free some space and try again.",
            ) from error
    return sizes


def _copy(path: Path, fresh: Path) -> None:
    """Copy all tables into a new database."""
    with duckdb.connect() as connection:
        old, new = (str(one).replace("'", "''") for one in (path, fresh))
        connection.execute(f"ATTACH '{old}' AS old (READ_ONLY); ATTACH '{new}' AS fresh; USE fresh")
        connection.execute(create_statements())
        for name in TABLES:
            connection.execute(f"INSERT INTO fresh.{name} BY NAME SELECT * FROM old.{name}")
            counts = connection.execute(
                f"SELECT (SELECT count(*) FROM old.{name}), (SELECT count(*) FROM fresh.{name})"
            ).fetchall()
            if counts[0][0] != counts[0][1]:
                raise OSError(f"{name} has {counts[0][1]} rows instead of {counts[0][0]}")
        connection.execute("CHECKPOINT fresh; USE memory; DETACH fresh")
