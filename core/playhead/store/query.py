"""SQL queries of clients on the store: one SELECT, within limits."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import duckdb
import psutil

from playhead.errors import QueryError, QueryLimitError, QueryMemoryError, StoreError
from playhead.store.json_rows import OtherColumnsError, json_rows
from playhead.values import as_dict, as_list

if TYPE_CHECKING:
    from playhead.store.arrow import ArrowTable

__all__ = ["Limits", "check", "make_room", "to_arrow", "to_rows"]

TABLE_FUNCTIONS = frozenset({
    "generate_series", "range", "repeat", "unnest", "json_each", "json_tree",
    "duckdb_columns", "duckdb_tables", "duckdb_views", "duckdb_functions", "duckdb_types",
    "pragma_table_info", "pragma_show", "pragma_version", "pragma_database_size",
    "histogram", "histogram_values",
})  # fmt: skip
"""Table functions that only compute; others read files or raw memory."""

_GROWING_FUNCTIONS: Mapping[str, int | None] = {
    "repeat": 1, "lpad": 1, "rpad": 1, "list_resize": 1, "array_resize": 1, "bar": 3,
    "range": None, "generate_series": None,
}  # fmt: skip
"""Scalar functions whose result can be any number of times larger than their arguments.

DuckDB neither counts their memory towards its limit nor can interrupt them. With the position of
the argument that is the size; None for all arguments.
"""
_LARGEST_SIZE = 1_000_000
_SQL_CHARACTERS = 200_000
_NESTED_BRACKETS = 200
"""Deeper queries may overflow DuckDB's stack, which ends the process."""
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_BRACKETS = re.compile(r"[(\[{]|[)\]}]")

_REFUSED_FUNCTIONS = frozenset({"write_log", "nextval", "setseed"})
_EXPLAIN = re.compile(r"(?is)^\s*explain\s+(analyze\s+)?(?=\(?\s*[a-z])")
_ACCEPTED_TEXTS = 200
_ACCEPTED_CHARACTERS = 20_000
_accepted: OrderedDict[str, None] = OrderedDict()
"""The last texts that passed `check`, which takes as long as a short query.

The check depends on the text alone: values come as parameters.
"""
_accepted_lock = threading.Lock()
_BATCH_ROWS = 2048
_WATCH_SECONDS = 0.05
_IDLE_LOOKS = 40
"""Looks without a query before the watching thread sleeps."""
_STUCK_SECONDS = 10.0
_LONG_SECONDS = 0.5
"""Time after which a query is ended when others have no memory."""
_ENDING_SECONDS = 0.25
"""Time in which a query that was interrupted usually returns its memory."""
_LESS = "Select fewer rows or columns, or try again when the other queries have ended."


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one query."""

    seconds: float = 30.0
    rows: int = 1_000_000
    bytes: int = 256 * 1024 * 1024
    """Size of an Arrow result, or of the texts in another result."""
    memory: int = 768 * 1024 * 1024
    """Growth of this process during the query."""
    end_process: Callable[[], None] | None = None
    """Ends this process. Called when a query runs on although it was interrupted for 10 s."""

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
    with _accepted_lock:
        if sql in _accepted:
            _accepted.move_to_end(sql)
            return
    _check(connection, sql)
    if len(sql) <= _ACCEPTED_CHARACTERS:
        with _accepted_lock:
            _accepted[sql] = None
            if len(_accepted) > _ACCEPTED_TEXTS:
                _accepted.popitem(last=False)


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    _check_text(sql)
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
    try:
        tree: dict[str, Any] = json.loads(text)
    except RecursionError as error:
        raise QueryError("The query is nested too deeply", "Split it.") from error
    if tree.get("error"):
        raise QueryError(
            f"The query is not allowed: {tree.get('error_message', kind)}",
            "Send a SELECT, WITH or DESCRIBE.",
        )
    streamed: set[int] = set()
    """Table functions, which need no memory for their rows."""
    for node in _nodes(tree):
        name = str(node.get("function_name", "")).lower()
        if name in _REFUSED_FUNCTIONS:
            raise QueryError(f"The function {name} is not available")
        if name in _GROWING_FUNCTIONS and id(node) not in streamed:
            _check_growth(name, node)
        if node.get("type") == "TABLE_FUNCTION":
            streamed.add(id(node["function"]))
            name = str(node["function"].get("function_name", "")).lower()
            if name not in TABLE_FUNCTIONS:
                raise QueryError(f"The table function {name} is not available")


def _check_text(sql: str) -> None:
    if len(sql) > _SQL_CHARACTERS:
        raise QueryLimitError(
            f"The query has more than {_SQL_CHARACTERS} characters",
            "Send long lists as parameters.",
        )
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_QUOTED.sub("", sql)):
        depth += 1 if bracket in "([{" else -1
        deepest = max(deepest, depth)
    if deepest > _NESTED_BRACKETS:
        raise QueryLimitError(
            f"The query has more than {_NESTED_BRACKETS} nested brackets", "Split it."
        )


def _check_growth(name: str, node: Mapping[str, Any]) -> None:
    """Refuse calls whose result may be enormous: the size must be a small number, not computed."""
    position = _GROWING_FUNCTIONS[name]
    arguments = [as_dict(as_dict(a).get("expression")) for a in as_list(node.get("arguments"))]
    sizes = arguments if position is None else arguments[position : position + 1]
    nested = any(
        str(inner.get("function_name", "")).lower() in _GROWING_FUNCTIONS
        for argument in arguments
        for inner in _nodes(argument)
    )
    if nested or not all(0 <= _integer(size) <= _LARGEST_SIZE for size in sizes):
        raise QueryLimitError(
            f"The result of {name} may be too large",
            f"Pass a number up to {_LARGEST_SIZE:,}, or use the table function `range`.",
        )


def _integer(node: Mapping[str, Any]) -> int:
    """Return the number of a constant; -1 for everything else."""
    literal = as_dict(node.get("literal"))
    text = str(literal.get("text", ""))
    return int(text) if literal.get("kind") == "INTEGER" and text.isdecimal() else -1


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
    gone: threading.Event | None = None,
) -> list[dict[str, Any]]:
    """Return the rows as JSON-compatible values (see `playhead.store.json_rows`).

    Args:
        connection: A cursor of the store.
        sql: One SELECT.
        params: Values of its parameters.
        limits: Limits of the query.
        gone: Set when nobody waits for the result any longer; the query is then ended.

    Raises:
        QueryError: The SQL is invalid, or is not read-only.
        QueryLimitError: The query exceeds a limit.
        StoreError: The database has failed.
    """
    try:
        return _rows(connection, sql, params, limits, gone)
    except OtherColumnsError:
        return _rows(connection, sql, params, limits, gone)


def _rows(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any],
    limits: Limits,
    gone: threading.Event | None,
) -> list[dict[str, Any]]:
    with _Reading(connection, limits, gone):
        rows: list[dict[str, Any]] = []
        size = 0
        check(connection, sql)
        with contextlib.closing(json_rows(connection, sql, params, _BATCH_ROWS)) as batches:
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
    gone: threading.Event | None = None,
) -> ArrowTable:
    """Return the result as an Arrow table. Raises the same errors as `to_rows`."""
    from playhead.store.arrow import pa

    with _Reading(connection, limits, gone) as reading:
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
    """A read-only transaction that is interrupted at a limit, and when its client is gone."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, limits: Limits, gone: threading.Event | None
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._gone = gone
        self._reason: QueryLimitError | None = None
        self._interrupted: float | None = None
        self._before = 0
        self._deadline = 0.0

    def look(self, memory: int) -> None:
        """Interrupt the query if it exceeds a limit, or if its client is gone.

        Args:
            memory: Memory of this process.
        """
        if self._gone is not None and self._gone.is_set():
            self._reason = QueryLimitError("The client closed the connection")
        elif time.monotonic() > self._deadline:
            self._reason = self._reason or QueryLimitError(
                f"The query took longer than {self._limits.seconds:g} s",
                "Select fewer rows, or filter by invocation_id or trace_id.",
            )
        elif memory - self._before > self._limits.memory:
            self._reason = self._reason or QueryMemoryError(
                f"The query needs more than {self._limits.memory >> 20} MB of memory", _LESS
            )
        if self._reason is not None:
            # Again and again: an interrupt between two statements has no effect.
            with contextlib.suppress(duckdb.Error):  # the database was closed meanwhile
                self._connection.interrupt()
            self._interrupted = self._interrupted or time.monotonic()
            is_stuck = time.monotonic() - self._interrupted > _STUCK_SECONDS
            if is_stuck and self._limits.end_process is not None:
                self._limits.end_process()

    def leave_room(self) -> None:
        """End the query, because others have no memory."""
        reason = QueryMemoryError("The query was ended: others needed its memory", _LESS)
        self._reason = self._reason or reason
        self._interrupted = self._interrupted or time.monotonic()
        with contextlib.suppress(duckdb.Error):
            self._connection.interrupt()

    @property
    def began(self) -> float:
        """Time of the monotonic clock at which it began."""
        return self._deadline - self._limits.seconds

    @property
    def interrupted(self) -> float | None:
        """Time of the monotonic clock at which it was first interrupted."""
        return self._interrupted

    def start(self, sql: str, params: Sequence[Any]) -> duckdb.DuckDBPyRelation:
        check(self._connection, sql)
        if params:
            return self._connection.sql(sql, params=list(params))
        return self._connection.sql(sql)

    def __enter__(self) -> _Reading:
        try:
            self._connection.execute("BEGIN TRANSACTION READ ONLY")
        except duckdb.Error as error:
            raise _query_error(error) from error
        self._before = _memory()
        self._deadline = time.monotonic() + self._limits.seconds
        _watch.add(self)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        _watch.remove(self)
        with contextlib.suppress(duckdb.Error):  # the memory is used up; closing ends it too
            self._connection.execute("ROLLBACK")
        if isinstance(error, QueryError) or error is None:
            return
        if self._reason is not None:
            raise self._reason from error
        if isinstance(error, (duckdb.Error, ValueError, OverflowError, RecursionError)):
            raise _query_error(error) from error


class _Watch:
    """A thread that looks after all queries: to start one for each would delay short queries."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readings: set[_Reading] = set()
        self._thread: threading.Thread | None = None
        self._is_asleep = False

    def add(self, reading: _Reading) -> None:
        with self._changed:
            self._readings.add(reading)
            if self._thread is None or not self._thread.is_alive():  # or this is a forked process
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()
            elif self._is_asleep:
                self._changed.notify()

    def remove(self, reading: _Reading) -> None:
        """Forget a query; it is not interrupted when this has returned."""
        with self._changed:
            self._readings.discard(reading)

    def make_room(self) -> bool:
        """End the query that has run longest, unless one is ending; return whether one does."""
        now = time.monotonic()
        with self._changed:
            ended = [r.interrupted for r in self._readings if r.interrupted is not None]
            if any(now - at < _ENDING_SECONDS for at in ended):
                return True
            running = [r for r in self._readings if r.interrupted is None]
            longest = min(running, key=lambda r: r.began, default=None)
            if longest is None or now - longest.began < _LONG_SECONDS:
                return False
            longest.leave_room()
            return True

    def _run(self) -> None:
        idle = 0
        while True:
            with self._changed:
                if not self._readings and idle > _IDLE_LOOKS:
                    self._is_asleep = True
                    self._changed.wait()
                    self._is_asleep = False
                idle = 0 if self._readings else idle + 1
                self._look()
            time.sleep(_WATCH_SECONDS)

    def _look(self) -> None:
        """Look at each query. This thread refers to none afterwards, so that they can be freed."""
        memory = _memory() if self._readings else 0
        for reading in self._readings:
            reading.look(memory)


_watch = _Watch()


def make_room() -> bool:
    """End the query that has run longest, if it is a long one, because there is no memory left.

    DuckDB has one limit for all queries and the writer of an instance, and does not tell how much
    each of them uses.

    Returns:
        Whether a query is ending.
    """
    return _watch.make_room()


def _memory() -> int:
    return psutil.Process().memory_info().rss


def _query_error(error: Exception) -> QueryError | StoreError:
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryMemoryError("The memory for queries is used up", _LESS)
    if isinstance(error, (duckdb.FatalException, duckdb.ConnectionException)):
        return StoreError(f"The store has failed: {error}", "Try again in a moment.")
    return QueryError(str(error))
