"""The archive: old days of the store as Hive-partitioned Parquet, which other engines read too.

The files of a run become part of the archive in the transaction that deletes its rows; those of an
interrupted run are set aside at the next start (`playhead.store.archive_files`).
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playhead.errors import StoreError
from playhead.model.status import GONE
from playhead.store.archive_files import (
    ARCHIVE,
    HINT,
    archived_files,
    damage,
    part_files,
    read_files,
)
from playhead.store.stale_figures import note_stale
from playhead.store.tables import TABLES

if TYPE_CHECKING:
    import duckdb

__all__ = ["ARCHIVED_TABLES", "Archived", "archive_views", "move_to_archive", "with_archive"]

ARCHIVED_TABLES = (
    "spans", "invocations", "journal", "journal_events", "duplicate_spans", "journal_llm_calls",
)  # fmt: skip
"""Tables with archived rows. Those of `calls` are deleted: they can be read from the spans."""
_TABLE = re.compile(rf"\b(FROM|JOIN) ({'|'.join(ARCHIVED_TABLES)})\b( AS \w+)?")
_ROWS = re.compile(r"rowid IN \(SELECT rowid FROM \w+ WHERE (\w+ IN \((?:[^()]|\([^()]*\))*\))\)")
"""Rows of a view have no row ids."""
_OF_INVOCATION = ("spans", "duplicate_spans", "journal_llm_calls")
"""Tables with a column `invocation_id`; the others have `id`."""
_OWN_DAY = "(to_timestamp(t.start_unix_nano / 1e9) AT TIME ZONE 'UTC')::DATE"
_ENDED = f"""
CREATE OR REPLACE TEMP TABLE ended AS
SELECT id, day FROM (
  SELECT id, (CASE WHEN status IN ('completed', '{GONE}') THEN coalesce(completed_at, modified_at)
    END AT TIME ZONE 'UTC')::DATE AS day FROM invocations
  UNION ALL
  SELECT invocation_id, max({_OWN_DAY}) FROM spans AS t
  WHERE invocation_id IS NOT NULL AND invocation_id NOT IN (SELECT id FROM invocations) GROUP BY ALL
) WHERE day < ?
"""
"""Ended invocations; those that are known from spans alone end with their newest span."""
_OF_INVOCATIONS = "JOIN ended ON ended.id = t.{id}"
_UNRELATED = f"t.invocation_id IS NULL AND {_OWN_DAY} < ?"


@dataclass(frozen=True, slots=True)
class Archived:
    """Result of one run."""

    days: int
    rows: dict[str, int] = field(default_factory=dict[str, int])
    """Number of moved or deleted rows by table."""


def move_to_archive(
    connection: duckdb.DuckDBPyConnection, folder: Path, before: date, *, keep: bool = True
) -> Archived:
    """Move the rows of days before a date from the tables to files.

    Args:
        connection: The writer's connection, in a transaction that is committed afterwards.
        folder: Folder of the store.
        before: First day (UTC) that stays. An invocation counts for the day on which it ended, with
            its journal and all its spans; a span without invocation for the day of its start. The
            end of an invocation that was not copied is the start of its newest span.
        keep: Whether to write the files; without, the rows are deleted for good.

    Raises:
        OSError: A file cannot be written; nothing is deleted when the transaction is rolled back.
    """
    connection.execute(_ENDED, [before])
    run = secrets.token_hex(6)
    rows: dict[str, int] = {}
    days: set[date] = set()
    for table in ARCHIVED_TABLES:
        for day, selection in _days(connection, table, before):
            days.add(day)
            if keep:
                _write(connection, folder / ARCHIVE / table / f"day={day}", run, selection)
        rows[table] = _delete(connection, table, before)
    connection.execute("DELETE FROM calls WHERE invocation_id IN (SELECT id FROM ended)")
    connection.execute(
        "DELETE FROM calls WHERE invocation_id IS NULL"
        " AND (to_timestamp(started_us / 1e6) AT TIME ZONE 'UTC')::DATE < ?",
        [before],
    )
    for table in ("invocation_figures", "invocation_failures"):
        connection.execute(f"DELETE FROM {table} WHERE invocation_id IN (SELECT id FROM ended)")
    ended: list[tuple[str]] = connection.execute("SELECT id FROM ended").fetchall()
    note_stale(connection, (id_ for (id_,) in ended))
    connection.execute("DROP TABLE ended")
    if keep and days:
        connection.execute("INSERT INTO archives VALUES (?, now(), ?)", [run, before])
    return Archived(len(days), rows)


def archive_views(
    cursor: duckdb.DuckDBPyConnection, folder: Path, *, temporary: bool = False
) -> str:
    """Return the SQL of the views that span tables and archive, such as `all_spans`.

    If a file cannot be read, or is no longer there, queries on its table fail with the reason,
    instead of leaving out rows.

    Args:
        cursor: A connection of its own, to look at the files.
        folder: Folder of the store.
        temporary: Whether they last as long as their connection.
    """
    views: list[str] = []
    for table in ARCHIVED_TABLES:
        select = f"SELECT * FROM {table}"
        if problem := damage(cursor, folder, table):
            select += f" UNION ALL BY NAME {_failing(table, _text(problem), 'VALUES (1)')}"
        elif files := archived_files(folder, table):
            select += f" UNION ALL BY NAME SELECT * EXCLUDE (day) FROM {read_files(files)}"
            select += f" UNION ALL BY NAME {_failing_without(table, folder, files)}"
        kind = "TEMP VIEW" if temporary else "VIEW"
        views.append(f"CREATE OR REPLACE {kind} all_{table} AS {select};")
    return "\n".join(views)


def _failing_without(table: str, folder: Path, files: str) -> str:
    """Return a SELECT that fails when a file that is there now is not, or is something else."""
    names = "\n".join("/".join(path.parts[-2:]) for path in part_files(folder, table))
    found = f"SELECT regexp_extract(file, '[^/]+/[^/]+$') FROM glob({_text(files)})"
    missing = (
        f"SELECT name FROM unnest(string_split({_text(names)}, chr(10))) AS known(name) "
        f"WHERE name NOT IN ({found}) LIMIT 1"
    )
    path = _text(f"The archived file {folder / ARCHIVE / table}/")
    problem = f"{path} || name || ' is missing, or is not a file. {HINT}.'"
    return _failing(table, problem, missing)


def _failing(table: str, problem: str, rows: str) -> str:
    """Return a SELECT that fails with a text, whichever columns and conditions a query has.

    Args:
        table: Name of the table whose columns it has.
        problem: The text, as an expression over `name`.
        rows: A SELECT of `name`; without rows, nothing fails.
    """
    error = f"error({problem})"
    columns = ", ".join(
        f'{error}::{kind} AS "{name}"' for name, kind in TABLES[table].types.items()
    )
    return f"SELECT {columns} FROM ({rows}) AS one(name) WHERE {error} IS NULL"


def _text(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def with_archive(sql: str) -> str:
    """Return a query on the tables as a query on the views that span the archive, too."""
    return _TABLE.sub(
        lambda found: f"{found[1]} all_{found[2]}{found[3] or f' AS {found[2]}'}",
        _ROWS.sub(r"\1", sql),
    )


def _days(
    connection: duckdb.DuckDBPyConnection, table: str, before: date
) -> Iterator[tuple[date, str]]:
    """Yield each day with the SELECT of its rows."""
    id_ = "invocation_id" if table in _OF_INVOCATION else "id"
    of_invocations = f"FROM {table} t {_OF_INVOCATIONS.format(id=id_)}"
    found = {
        day for (day,) in connection.execute(f"SELECT DISTINCT day {of_invocations}").fetchall()
    }
    unrelated: set[date] = set()
    if table == "spans":
        sql = f"SELECT DISTINCT {_OWN_DAY} FROM spans t WHERE {_UNRELATED}"
        unrelated = {day for (day,) in connection.execute(sql, [before]).fetchall()}
    for day in sorted(found | unrelated):
        selection = f"SELECT t.* {of_invocations} WHERE day = DATE '{day}'"
        if day in unrelated:
            own = f"t.invocation_id IS NULL AND {_OWN_DAY} = DATE '{day}'"
            selection += f" UNION ALL SELECT t.* FROM spans t WHERE {own}"
        yield day, selection


def _delete(connection: duckdb.DuckDBPyConnection, table: str, before: date) -> int:
    id_ = "invocation_id" if table in _OF_INVOCATION else "id"
    condition, params = f"t.{id_} IN (SELECT id FROM ended)", list[Any]()
    if table == "spans":
        condition, params = f"{condition} OR ({_UNRELATED})", [before]
    sql = f"DELETE FROM {table} t WHERE {condition}"
    [(count,)] = connection.execute(sql, params).fetchall()
    return int(count)


def _write(connection: duckdb.DuckDBPyConnection, folder: Path, run: str, selection: str) -> None:
    """Write a file that is complete, with its name, when this returns."""
    import duckdb

    writing = folder / f"part-{run}.writing"
    target = str(writing.absolute()).replace("'", "''")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection.execute(f"COPY ({selection}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        for path in (writing, folder):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        writing.chmod(0o600)
        writing.rename(folder / f"part-{run}.parquet")
    except (OSError, duckdb.IOException) as error:
        with contextlib.suppress(OSError):
            writing.unlink(missing_ok=True)
        raise StoreError(
            f"The archive {folder} cannot be written: {error}",
            "Free some space, or move away what is in its place, and try again.",
        ) from error
