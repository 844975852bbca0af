"""SQL queries of clients on the store: one SELECT, within limits."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb

from playhead.errors import QueryLimitError, QueryMemoryError
from playhead.store.answers import Answer
from playhead.store.json_rows import OtherColumnsError, Pace, json_rows
from playhead.store.query_checks import check
from playhead.store.query_limits import DEFAULT_LIMITS, Limits, Reading
from playhead.store.shared_reading import SharedReading

if TYPE_CHECKING:
    from playhead.store.arrow import ArrowTable

__all__ = ["to_arrow", "to_arrow_stream", "to_json_rows", "to_rows"]

_large_rows = threading.Lock()
"""Held by the query that makes many large rows: DuckDB holds some 10,000 of them at a time, which
its limit of memory does not count."""
_LARGE_ROW_BYTES = 2048
_LARGE_ROWS_BYTES = 8 * 1024 * 1024
"""Size of an answer of large rows from which a query needs the turn."""
_LOOK_SECONDS = 0.025
_BATCH_ROWS = 2048
_STREAM_BYTES = 256 * 1024


def to_rows(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any] = (),
    limits: Limits = DEFAULT_LIMITS,
    gone: threading.Event | None = None,
    reading: SharedReading | None = None,
) -> list[dict[str, Any]]:
    """Return the rows as JSON-compatible values (see `playhead.store.json_rows`).

    Args:
        connection: A cursor of the store.
        sql: One SELECT.
        params: Values of its parameters.
        limits: Limits of the query.
        gone: Set when the client no longer waits for the result; the query is then ended.
        reading: The transaction, with its limits; by default one of its own.

    Raises:
        QueryError: The SQL is invalid, or is not read-only.
        QueryLimitError: The query exceeds a limit.
        StoreError: The database has failed.
    """

    def read() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        size = 0
        pace = Pace()
        transaction = reading or Reading(connection, limits, gone)
        with transaction, _batches(connection, sql, params, pace) as batches:
            for batch in batches:
                rows.extend(batch)
                new = sum(len(v) for row in batch for v in row.values() if isinstance(v, str))
                pace.note(new)
                size += new
                limits.check(len(rows), size)
        return rows

    try:
        return read()
    except OtherColumnsError:
        return read()


@contextlib.contextmanager
def _batches(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any],
    pace: Pace,
) -> Generator[Iterator[list[dict[str, Any]]]]:
    """Yield the rows of a query in lists."""
    check(connection, sql)
    with contextlib.closing(json_rows(connection, sql, params, pace)) as batches:
        yield batches


def to_json_rows(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any],
    limits: Limits,
    gone: threading.Event | None,
    answer: Answer,
    *,
    most_ids: int = 0,
    reading: SharedReading | None = None,
) -> list[str]:
    """Append the rows as a JSON list to an answer; return their ids, if they are needed.

    Only some of the rows exist as values at a time, which take many times the memory of their text.
    Raises the same errors as `to_rows`; the answer then has a part of the rows.

    Args:
        connection: A cursor of the store.
        sql: One SELECT.
        params: Values of its parameters.
        limits: Limits of the query.
        gone: Set when the client no longer waits for the result; the query is then ended.
        answer: The answer.
        most_ids: Number of values of the column `id` that are returned; more are an error.
        reading: The transaction, with its limits; by default one of its own.
    """
    before = answer.size

    def read(limits: Limits, *, has_turn: bool) -> list[str]:
        answer.cut(before)
        ids: list[str] = []
        rows = size = 0
        pace = Pace()
        is_held = False
        transaction = reading or Reading(connection, limits, gone)
        try:
            with transaction, _batches(connection, sql, params, pace) as batches:
                for batch in batches:
                    with pace.turn():
                        part = json.dumps(batch, ensure_ascii=False, separators=(",", ":"))[1:-1]
                    if most_ids:
                        ids += [str(id_) for row in batch if (id_ := row.get("id")) is not None]
                        if len(ids) > most_ids:
                            raise QueryLimitError(
                                f"The query has more than {most_ids} ids for others", "Add a LIMIT."
                            )
                    answer.add(f",{part}" if rows else f"[{part}")
                    pace.note(len(part))
                    rows += len(batch)
                    size += len(part)
                    limits.check(rows, size)
                    if not (has_turn or is_held) and _is_of_large_rows(rows, size):
                        is_held = _large_rows.acquire(blocking=False)
                        if not is_held:
                            raise _LargeRowsError
            answer.add("]" if rows else "[]")
            return ids
        finally:
            if is_held:
                _large_rows.release()

    def read_current(limits: Limits, *, has_turn: bool = False) -> list[str]:
        try:
            return read(limits, has_turn=has_turn)
        except OtherColumnsError:  # before the first row
            return read(limits, has_turn=has_turn)

    began = time.monotonic()
    try:
        return read_current(limits)
    except _LargeRowsError:  # what DuckDB held for it is free now
        answer.cut(before)
        with _turn_of_large_rows(limits, began + limits.seconds, gone) as seconds:
            return read_current(replace(limits, seconds=seconds), has_turn=True)


class _LargeRowsError(Exception):
    """Another query makes large rows; run this one again when it has ended."""


def _is_of_large_rows(rows: int, size: int) -> bool:
    return size > _LARGE_ROWS_BYTES and size > rows * _LARGE_ROW_BYTES


@contextlib.contextmanager
def _turn_of_large_rows(
    limits: Limits, ends: float, gone: threading.Event | None
) -> Generator[float]:
    """Wait until no other query makes large rows; yield the seconds that are left."""
    while not _large_rows.acquire(timeout=_LOOK_SECONDS):
        if gone is not None and gone.is_set():
            raise QueryLimitError("The client closed the connection")
        if time.monotonic() > ends:
            raise QueryMemoryError(
                f"Other queries with large rows took longer than {limits.seconds:g} s",
                "Select fewer columns, or try again when they have ended.",
            )
    try:
        yield max(ends - time.monotonic(), 0.0)
    finally:
        _large_rows.release()


def to_arrow(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any] = (),
    limits: Limits = DEFAULT_LIMITS,
    gone: threading.Event | None = None,
) -> ArrowTable:
    """Return the result as an Arrow table. Raises the same errors as `to_rows`."""
    from playhead.store.arrow import pa

    with _arrow_batches(connection, sql, params, limits, gone) as (schema, batches):
        return pa.Table.from_batches(list(batches), schema=schema)


def to_arrow_stream(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any],
    limits: Limits,
    gone: threading.Event | None,
    answer: Answer,
) -> None:
    """Append the result as an Arrow stream to an answer. Raises the same errors as `to_rows`."""
    from playhead.store.arrow import pa

    with (
        _arrow_batches(connection, sql, params, limits, gone) as (schema, batches),
        pa.BufferedOutputStream(pa.PythonFile(_Sink(answer), "w"), _STREAM_BYTES) as out,
        pa.ipc.new_stream(out, schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)


class _Sink(io.RawIOBase):
    """A file whose content is appended to an answer."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._answer.add(bytes(data))
        return len(data)


@contextlib.contextmanager
def _arrow_batches(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any],
    limits: Limits,
    gone: threading.Event | None,
) -> Generator[tuple[Any, Iterator[Any]]]:
    """Yield the schema and the batches of a query, within its limits."""

    def checked(reader: Any) -> Iterator[Any]:
        rows = size = 0
        for batch in reader:
            rows += batch.num_rows
            size += batch.nbytes
            limits.check(rows, size)
            yield batch

    with (
        Reading(connection, limits, gone),
        _relation(connection, sql, params).to_arrow_reader(_BATCH_ROWS) as reader,
    ):
        yield reader.schema, checked(reader)


def _relation(
    connection: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Any]
) -> duckdb.DuckDBPyRelation:
    check(connection, sql)
    if params:
        return connection.sql(sql, params=list(params))
    return connection.sql(sql)
