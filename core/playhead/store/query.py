"""SQL queries of clients on the store: one SELECT, within limits."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import duckdb

from playhead.errors import QueryError, QueryLimitError
from playhead.store.json_rows import OtherColumnsError, json_rows
from playhead.store.query_limits import DEFAULT_LIMITS, Limits, Reading
from playhead.values import as_dict, as_list

if TYPE_CHECKING:
    from playhead.store.arrow import ArrowTable

__all__ = ["check", "to_arrow", "to_json_rows", "to_rows"]

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
_NESTED_VALUES = 20
"""Lists and structures inside each other: DuckDB takes room for 2,048 rows at each level, and what
it takes cannot be limited."""
_NESTING = ("list_value", "list_pack", "array_value", "struct_pack", "row", "map", "list")
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
    _check_nesting(tree)
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


def _check_nesting(tree: object) -> None:
    """Refuse values of many levels."""
    stack = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, dict):
            values = cast("dict[str, object]", node)
            depth += str(values.get("function_name", "")).lower() in _NESTING
            if depth > _NESTED_VALUES:
                raise QueryLimitError(
                    f"The query has more than {_NESTED_VALUES} lists or structures in each other",
                    "Split it.",
                )
            stack += [(value, depth) for value in values.values()]
        elif isinstance(node, list):
            stack += [(value, depth) for value in cast("list[object]", node)]


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
        with _batches(connection, sql, params, limits, gone) as batches:
            for batch in batches:
                rows.extend(batch)
                size += sum(len(v) for row in batch for v in row.values() if isinstance(v, str))
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
) -> Generator[Iterator[list[dict[str, Any]]]]:
    """Yield the rows of a query in lists, within its limits of time and memory."""
    with Reading(connection, limits, gone):
        check(connection, sql)
        with contextlib.closing(json_rows(connection, sql, params, _BATCH_ROWS)) as batches:
            yield batches


def to_json_rows(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Sequence[Any] = (),
    limits: Limits = DEFAULT_LIMITS,
    gone: threading.Event | None = None,
) -> tuple[str, list[str]]:
    """Return the rows as a JSON list, and their ids if they have some.

    Only some of the rows exist as values at a time, which take many times the memory of their text.
    Raises the same errors as `to_rows`.
    """

    def read() -> tuple[str, list[str]]:
        parts: list[str] = []
        ids: list[str] = []
        rows = size = 0
        with _batches(connection, sql, params, limits, gone) as batches:
            for batch in batches:
                part = json.dumps(batch, ensure_ascii=False, separators=(",", ":"))[1:-1]
                parts.append(part)
                ids += [str(id_) for row in batch if (id_ := row.get("id")) is not None]
                rows += len(batch)
                size += len(part)
                limits.check(rows, size)
        return f"[{','.join(parts)}]", ids

    try:
        return read()
    except OtherColumnsError:
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

    with Reading(connection, limits, gone):
        batches: list[Any] = []
        rows = size = 0
        with _relation(connection, sql, params).to_arrow_reader(_BATCH_ROWS) as reader:
            schema: Any = reader.schema
            for batch in reader:
                batches.append(batch)
                rows += batch.num_rows
                size += batch.nbytes
                limits.check(rows, size)
        return pa.Table.from_batches(batches, schema=schema)


def _relation(
    connection: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Any]
) -> duckdb.DuckDBPyRelation:
    check(connection, sql)
    if params:
        return connection.sql(sql, params=list(params))
    return connection.sql(sql)
