"""SQL queries of clients on the store: one SELECT, within limits."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from playhead.errors import QueryLimitError
from playhead.store.answers import Answer
from playhead.store.json_rows import OtherColumnsError, Pace, json_rows
from playhead.store.query_checks import check
from playhead.store.query_limits import DEFAULT_LIMITS, Limits, Reading

if TYPE_CHECKING:
    from playhead.store.arrow import ArrowTable

__all__ = ["to_arrow", "to_arrow_stream", "to_json_rows", "to_rows"]

_writing = threading.Lock()
"""Held by the query that makes text of its rows, apart from the first ones, so that a thread that
answers others waits for one of them at most."""
_BATCH_ROWS = 2048
_STREAM_BYTES = 256 * 1024


def to_rows(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any] = (),
    limits: Limits = DEFAULT_LIMITS,
    gone: threading.Event | None = None,
) -> list[dict[str, Any]]:
    """Return the rows as JSON-compatible values (see `playhead.store.json_rows`).

    Args:
        connection: A cursor of the store.
        sql: One SELECT.
        params: Values of its parameters.
        limits: Limits of the query.
        gone: Set when the client no longer waits for the result; the query is then ended.

    Raises:
        QueryError: The SQL is invalid, or is not read-only.
        QueryLimitError: The query exceeds a limit.
        StoreError: The database has failed.
    """

    def read() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        size = 0
        pace = Pace()
        with _batches(connection, sql, params, limits, gone, pace) as batches:
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
    limits: Limits,
    gone: threading.Event | None,
    pace: Pace,
) -> Generator[Iterator[list[dict[str, Any]]]]:
    """Yield the rows of a query in lists, within its limits of time and memory."""
    with Reading(connection, limits, gone):
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
    """

    def read() -> list[str]:
        ids: list[str] = []
        rows = size = 0
        pace = Pace()
        with _batches(connection, sql, params, limits, gone, pace) as batches:
            for batch in batches:
                with _writing if rows > _BATCH_ROWS else contextlib.nullcontext():
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
        answer.add("]" if rows else "[]")
        return ids

    try:
        return read()
    except OtherColumnsError:  # before the first row
        return read()


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
