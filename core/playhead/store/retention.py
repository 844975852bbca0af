"""Retention: what is deleted from single tables, by age or by the size of the table.

Only what belongs to ended invocations is deleted, and of an invocation everything in the table or
nothing, so that what is left of an invocation is never counted as if it were all.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from playhead.model.status import GONE
from playhead.store.calls.llm_calls import update_llm_calls
from playhead.store.database import Store
from playhead.store.stale_figures import note_stale

__all__ = ["KEPT_TABLES", "Keep", "delete_expired", "parse_keep"]

KEPT_TABLES = ("spans", "journal", "journal_events")
"""Tables that can have a limit. `--delete-after` is for whole invocations."""
_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}
_SIZES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_LIMIT = re.compile(rf"([1-9][0-9]*)({'|'.join((*_UNITS, *_SIZES))})", re.ASCII)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS = {
    "spans": "SELECT invocation_id AS id, to_timestamp(start_unix_nano / 1e9) AS own FROM spans",
    "journal": "SELECT id, appended_at AS own FROM journal",
    "journal_events": "SELECT id, appended_at AS own FROM journal_events",
}
_AT = f"""
SELECT stored.id AS id, CASE WHEN i.id IS NULL THEN stored.own
  WHEN i.status IN ('completed', '{GONE}') THEN coalesce(i.completed_at, i.modified_at)
  END AS ended_at
FROM ({{rows}}) AS stored LEFT JOIN invocations AS i ON i.id = stored.id
"""
"""Rows with the end of their invocation; without one, their own time. NULL: not ended."""


@dataclass(frozen=True, slots=True)
class Keep:
    """A limit of one table. One of the two is set."""

    table: str
    age: timedelta | None = None
    """What belongs to invocations that ended earlier is deleted."""
    size: int | None = None
    """Bytes on disk; the oldest is deleted first."""


def parse_keep(text: str) -> Keep:
    """Return the limit in a text such as `spans=30d` or `journal=10GB`.

    Raises:
        ValueError: It is not a limit; the message says why.
    """
    table, _, limit = text.strip().partition("=")
    found = _LIMIT.fullmatch(limit)
    if table not in KEPT_TABLES or found is None:
        raise ValueError(
            f"{text!r} is not a limit such as spans=30d or journal=10GB: the tables are "
            f"{', '.join(KEPT_TABLES)}, the units {', '.join((*_UNITS, *_SIZES))}"
        )
    number, unit = int(found[1]), found[2]
    if unit in _SIZES:
        return Keep(table, size=number * _SIZES[unit])
    try:
        return Keep(table, age=timedelta(seconds=number * _UNITS[unit]))
    except OverflowError as error:
        raise ValueError(f"{text!r} is longer than time can be counted") from error


def delete_expired(store: Store, limits: Iterable[Keep], now: datetime) -> dict[str, int]:
    """Delete what exceeds the limits; return the number of deleted rows by table.

    Args:
        store: The store, which may be in use.
        limits: The limits.
        now: The time from which ages are counted.
    """
    deleted: dict[str, int] = {}
    for limit in limits:
        if limit.age is not None:
            before: datetime | None = now - limit.age
        else:
            store.checkpoint(least_bytes=0)
            with contextlib.closing(store.cursor()) as cursor:
                before = _oldest_kept(cursor, limit.table, limit.size or 0)
        if before is not None:
            with store.transaction() as connection:
                count = _delete(connection, limit.table, before)
            if limit.table == "spans":
                store.removed_spans += count
            deleted[limit.table] = deleted.get(limit.table, 0) + count
    return deleted


def table_bytes(cursor: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return the bytes on disk of the rows of a table; deleted ones are not counted."""
    [(block,)] = cursor.execute("SELECT block_size FROM pragma_database_size()").fetchall()
    [(blocks, written)] = cursor.execute(
        "SELECT count(DISTINCT block_id) FILTER (block_id >= 0),"
        " coalesce(max(rows), 0) FROM (SELECT *, sum(count) FILTER (segment_type <> 'VALIDITY')"
        " OVER (PARTITION BY column_id, column_path) AS rows FROM pragma_storage_info(?))",
        [table],
    ).fetchall()
    [(rows,)] = cursor.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(blocks * block * min(rows / written, 1.0)) if written else 0


def _oldest_kept(cursor: duckdb.DuckDBPyConnection, table: str, size: int) -> datetime | None:
    """Return the time before which rows are deleted to reach a size; None if it is not exceeded."""
    used = table_bytes(cursor, table)
    if used <= size:
        return None
    [(rows,)] = cursor.execute(f"SELECT count(*) FROM {table}").fetchall()
    found: list[tuple[int | None]] = cursor.execute(
        f"SELECT epoch_us(ended_at) FROM ({_AT.format(rows=_ROWS[table])})"
        f" ORDER BY ended_at DESC NULLS FIRST LIMIT 1 OFFSET {int(rows * size / used)}"
    ).fetchall()
    # What is at the border goes, with all that is older.
    at: int | None = found[0][0] if found else None
    return None if at is None else _EPOCH + timedelta(microseconds=at + 1)


def _delete(connection: duckdb.DuckDBPyConnection, table: str, before: datetime) -> int:
    old = f"SELECT id FROM ({_AT.format(rows=_ROWS[table])}) GROUP BY id HAVING max(ended_at) < ?"
    id_ = "invocation_id" if table == "spans" else "id"
    ids: list[str] = [
        id_ for (id_,) in connection.execute(f"{old} AND id IS NOT NULL", [before]).fetchall()
    ]
    wanted = f"{id_} IN (SELECT unnest(?::VARCHAR[]))"
    [(count,)] = connection.execute(f"DELETE FROM {table} WHERE {wanted}", [ids]).fetchall()
    note_stale(connection, ids)
    if table == "spans":
        count += _delete_calls(connection, ids, before)
    return int(count)


def _delete_calls(
    connection: duckdb.DuckDBPyConnection, ids: Sequence[str], before: datetime
) -> int:
    """Delete what was derived from deleted spans, and old spans without an invocation."""
    unrelated = "invocation_id IS NULL AND to_timestamp({}) < ?"
    own = unrelated.format("start_unix_nano / 1e9")
    [(count,)] = connection.execute(f"DELETE FROM spans WHERE {own}", [before]).fetchall()
    own = unrelated.format("started_us / 1e6")
    connection.execute(f"DELETE FROM calls WHERE {own}", [before])
    for table in ("calls", "duplicate_spans"):
        connection.execute(
            f"DELETE FROM {table} WHERE invocation_id IN (SELECT unnest(?::VARCHAR[]))", [list(ids)]
        )
    # Answers in the journals that spans have shown so far count on their own now.
    update_llm_calls(connection, ids)
    return int(count)
