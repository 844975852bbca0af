"""Checks of a client's SQL: one SELECT that only reads the store, and whose cost is bounded."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, cast

import duckdb

from playhead.errors import QueryError, QueryLimitError
from playhead.values import as_dict, as_list

__all__ = ["check"]

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
_LARGEST_SIZE = 10_000
"""Characters of a result: DuckDB takes room for those of 2,048 rows in each thread."""
_OTHER_REPEATED = 100
"""Times that `repeat` may repeat what is no constant."""
_SQL_CHARACTERS = 50_000
_TREE_CHARACTERS = 500_000
"""Characters of the tree of a query, as JSON. While it is read, no other thread of Python runs."""
_SHORT_CHARACTERS = 4_000
"""Longer texts are checked one at a time, as DuckDB's parser takes 2 kB for each character. It lets
no other thread of Python run while it splits statements."""
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
_checking = threading.Lock()


def check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise QueryError unless this is one statement that only reads tables of the store."""
    with _accepted_lock:
        if sql in _accepted:
            _accepted.move_to_end(sql)
            return
    with _checking if len(sql) > _SHORT_CHARACTERS else contextlib.nullcontext():
        _check(connection, sql)
    if len(sql) <= _ACCEPTED_CHARACTERS:
        with _accepted_lock:
            _accepted[sql] = None
            if len(_accepted) > _ACCEPTED_TEXTS:
                _accepted.popitem(last=False)


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    _check_text(sql)
    tree = _tree(connection, sql)
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


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """Return the tree of the only statement, which is a SELECT, or the SELECT that is explained.

    Raises:
        QueryError: There is another number of statements, or another statement.
    """
    explained = _EXPLAIN.sub("", sql, count=1)
    [(text,)] = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [explained]).fetchall()
    if len(text) > _TREE_CHARACTERS:
        raise QueryLimitError(
            "The query has too many columns, values or conditions",
            "Send long lists as parameters, or several queries.",
        )
    try:
        tree: dict[str, Any] = json.loads(text)
    except RecursionError as error:
        raise QueryError("The query is nested too deeply", "Split it.") from error
    if tree.get("error"):
        kind = _kind(connection, sql)
        if kind not in {"SELECT", "EXPLAIN"}:
            raise QueryError(
                f"{kind} is not allowed: the store is read-only",
                "Send a SELECT, WITH or DESCRIBE.",
            )
        raise QueryError(
            f"The query is not allowed: {tree.get('error_message', kind)}",
            "Send a SELECT, WITH or DESCRIBE.",
        )
    if (count := len(as_list(tree.get("statements")))) != 1:
        raise _not_one(count)
    return tree


def _kind(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the kind of a statement. Raises QueryError if it is none, or several."""
    if len(sql) > _SHORT_CHARACTERS:
        return "SELECT"  # DuckDB's own message has to do
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(str(error)) from error
    if len(statements) != 1:
        raise _not_one(len(statements))
    return statements[0].type.name


def _not_one(statements: int) -> QueryError:
    return QueryError(f"The query has {statements} statements instead of one", "Send one SELECT.")


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
    largest = _LARGEST_SIZE
    if name == "repeat" and arguments:
        text = as_dict(arguments[0].get("literal")).get("text")
        known = arguments[0].get("type") == "VALUE_CONSTANT" and isinstance(text, str)
        largest = _LARGEST_SIZE // max(1, len(str(text))) if known else _OTHER_REPEATED
    if nested or not all(0 <= _integer(size) <= largest for size in sizes):
        raise QueryLimitError(
            f"The result of {name} may be too large",
            f"Pass a number up to {largest:,}, or use the table function `range`.",
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
