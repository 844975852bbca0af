"""SQL queries of clients on the store: one SELECT, within limits."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import duckdb

from playhead.errors import QueryError, QueryLimitError
from playhead.store.json_rows import json_rows

if TYPE_CHECKING:
    from playhead.store.arrow import ArrowTable

__all__ = ["Limits", "check", "to_arrow", "to_rows"]

TABLE_FUNCTIONS = frozenset({
    "generate_series", "range", "repeat", "unnest", "json_each", "json_tree",
    "duckdb_columns", "duckdb_tables", "duckdb_views", "duckdb_functions", "duckdb_types",
    "pragma_table_info", "pragma_show", "pragma_version", "pragma_database_size",
    "histogram", "histogram_values",
})  # fmt: skip
"""Table functions that only compute; others read files or raw memory."""

_REFUSED_FUNCTIONS = frozenset({"write_log", "nextval", "setseed"})
_EXPLAIN = re.compile(r"(?is)^\s*explain\s+(analyze\s+)?(?=\(?\s*[a-z])")
_BATCH_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one query."""

    seconds: float = 30.0
    rows: int = 1_000_000
    bytes: int = 256 * 1024 * 1024
    """Size of an Arrow result, or of the texts in another result."""

    def check(self, rows: int, size: int) -> None:
        """Raise QueryLimitError when a result is too large."""
        if rows > self.rows:
            raise QueryLimitError(
                f"The result has more than {self.rows} rows", "Add a LIMIT to the query."
            )
        if size > self.bytes:
            raise QueryLimitError(
                f"The result is larger than {self.bytes} bytes", "Select fewer columns or rows."
            )


def check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise QueryError unless this is one statement that only reads tables of the store."""
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(str(error)) from error
    if len(statements) != 1:
        raise QueryError(
            f"The query has {len(statements)} statements instead of one", "Send one SELECT."
        )
    kind = statements[0].type.name
    if kind == "EXPLAIN":
        sql = _EXPLAIN.sub("", statements[0].query, count=1)
    elif kind != "SELECT":
        raise QueryError(
            f"{kind} is not allowed: the store is read-only", "Send a SELECT, WITH or DESCRIBE."
        )
    [(text,)] = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
    tree: dict[str, Any] = json.loads(text)
    if tree.get("error"):
        raise QueryError(
            f"The query is not allowed: {tree.get('error_message', kind)}",
            "Send a SELECT, WITH or DESCRIBE.",
        )
    for node in _nodes(tree):
        name = str(node.get("function_name", "")).lower()
        if name in _REFUSED_FUNCTIONS:
            raise QueryError(f"The function {name} is not available")
        if node.get("type") == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).lower()
            if name not in TABLE_FUNCTIONS:
                raise QueryError(f"The table function {name} is not available")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    stack: list[Any] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield cast("dict[str, Any]", node)
            stack.extend(cast("dict[str, Any]", node).values())
        elif isinstance(node, list):
            stack.extend(cast("list[Any]", node))


def to_rows(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any] = (),
    limits: Limits = Limits(),
) -> list[dict[str, Any]]:
    """Return the rows as JSON-compatible values (see `playhead.store.json_rows`).

    Raises:
        QueryError: The SQL is invalid, or is not read-only.
        QueryLimitError: The query exceeds a limit.
    """
    with _Reading(connection, limits) as reading:
        rows: list[dict[str, Any]] = []
        size = 0
        with contextlib.closing(json_rows(reading.start(sql, params), _BATCH_ROWS)) as batches:
            for batch in batches:
                rows.extend(batch)
                size += sum(len(v) for row in batch for v in row.values() if isinstance(v, str))
                limits.check(len(rows), size)
        return rows


def to_arrow(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any] = (),
    limits: Limits = Limits(),
) -> ArrowTable:
    """Return the result as an Arrow table. Raises the same errors as `to_rows`."""
    from playhead.store.arrow import pa

    with _Reading(connection, limits) as reading:
        batches: list[Any] = []
        rows = size = 0
        with reading.start(sql, params).to_arrow_reader(_BATCH_ROWS) as reader:
            schema: Any = reader.schema
            for batch in reader:
                batches.append(batch)
                rows += batch.num_rows
                size += batch.nbytes
                limits.check(rows, size)
        return pa.Table.from_batches(batches, schema=schema)


class _Reading:
    """A read-only transaction that is interrupted after its time limit."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._timer = threading.Timer(limits.seconds, self._stop)
        self._timed_out = False

    def _stop(self) -> None:
        self._timed_out = True
        self._connection.interrupt()

    def start(self, sql: str, params: Sequence[Any]) -> duckdb.DuckDBPyRelation:
        check(self._connection, sql)
        if params:
            return self._connection.sql(sql, params=list(params))
        return self._connection.sql(sql)

    def __enter__(self) -> _Reading:
        self._timer.daemon = True
        self._timer.start()
        self._connection.execute("BEGIN TRANSACTION READ ONLY")
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._timer.cancel()
        self._connection.execute("ROLLBACK")
        if isinstance(error, QueryError) or error is None:
            return
        if self._timed_out:
            raise QueryLimitError(
                f"The query took longer than {self._limits.seconds:g} s",
                "Select fewer rows, or filter by invocation_id or trace_id.",
            ) from error
        if isinstance(error, duckdb.Error):
            raise QueryError(str(error)) from error
