"""DuckDB results as JSON values, without pyarrow, which takes 0.2 s to import.

Times are ISO 8601 in UTC with `Z`, intervals ISO 8601 durations in seconds (`PT86400S`), blobs
base64, decimals and floats numbers (NaN and infinities null), integers of any size numbers.
"""

from __future__ import annotations

import base64
import contextlib
import math
import threading
from collections.abc import Generator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast

import duckdb

from playhead.values import utc_text

__all__ = ["OtherColumnsError", "Pace", "json_rows"]

_ZONED = "TIMESTAMP WITH TIME ZONE"
_PLAIN = frozenset({
    "VARCHAR", "JSON", "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
    "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
})  # fmt: skip
"""Types whose values in Python are values of JSON."""
_VALUES_AT_ONCE = 10_000
"""Values that a list of rows has at most, unless one row has more.

While they become values of Python, or text, no other thread of Python runs.
"""
_FIRST_ROWS = 16
_MOST_ROWS = 2048
_PART_BYTES = 256 * 1024
_QUICK_BYTES = 256 * 1024
"""Size of the first rows, for which a query does not wait for others."""
_TURN_SECONDS = 0.05
"""Longest wait for others, since DuckDB may take long for their next rows."""
_CONVERTED_TEXTS = 200
_converted: dict[str, str] = {}
"""The last queries with such times, and the queries that convert them."""
_converted_lock = threading.Lock()
_making = threading.Lock()
"""Held by a query that makes rows of a large answer."""


class OtherColumnsError(Exception):
    """A table has other columns than when the query ran last; run it again, in a transaction."""


class Pace:
    """The number of rows that are read at once, which follows their size."""

    def __init__(self) -> None:
        """Start with few rows: they may be large."""
        self.rows = _FIRST_ROWS
        self._size = 0

    @contextlib.contextmanager
    def turn(self) -> Generator[None]:
        """Let the queries with large answers make rows in turns.

        Then a thread that answers others waits for one of them at most, not for each of them.
        """
        is_large = self._size > _QUICK_BYTES
        is_taken = is_large and _making.acquire(timeout=_TURN_SECONDS)
        try:
            yield
        finally:
            if is_taken:
                _making.release()

    def note(self, size: int) -> None:
        """Take note of the size of the last rows in bytes."""
        self._size += size
        if size > _PART_BYTES:
            self.rows = max(1, self.rows * _PART_BYTES // size)
        elif size < _PART_BYTES // 2:
            self.rows = min(self.rows * 2, _MOST_ROWS)


def json_rows(
    connection: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Any], pace: Pace
) -> Generator[list[dict[str, Any]]]:
    """Run a query, and yield its rows in lists.

    Args:
        connection: A cursor of the store.
        sql: The query.
        params: Values of its parameters.
        pace: The number of rows of the next list, unless they have many columns.

    Raises:
        OtherColumnsError: The query has to be run again.
    """
    names = _start(connection, sql, params)
    types = [str(column[1]) for column in connection.description or []]
    most = max(1, _VALUES_AT_ONCE // max(1, sum(map(_weight, types))))
    other = [n for n, type_ in enumerate(types) if type_ not in _PLAIN]
    try:
        while True:
            with pace.turn():
                asked = min(pace.rows, most)
                batch = connection.fetchmany(asked)
                is_last = len(batch) < asked
                if other:
                    batch = [_converted_row(row, other) for row in batch]
                rows = [dict(zip(names, row, strict=True)) for row in batch]
            if not rows:
                return
            yield rows
            if is_last:  # without another turn in the interpreter
                return
    except GeneratorExit:
        connection.abort()
        raise


def _converted_row(row: Sequence[Any], places: Sequence[int]) -> list[Any]:
    values = list(row)
    for place in places:
        values[place] = json_value(values[place])
    return values


def _weight(type_: str) -> int:
    """Return how many plain values the memory of one value of a type stands for.

    DuckDB copies what is inside a list or structure at each of its levels.
    """
    return (1 + type_.count("[") + type_.count("(")) ** 2


def _start(connection: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Any]) -> list[str]:
    """Start a query, and return the unique names of its columns.

    DuckDB needs pytz to convert times with a zone, so the query is started again with times
    without one. The text of the second query is remembered: a relation, which could be changed
    without another query, takes milliseconds longer than either.
    """
    with _converted_lock:
        converted = _converted.get(sql)
    if converted is not None:
        try:
            names, zoned = _execute(connection, converted, params)
        except duckdb.BinderException as error:
            with _converted_lock:
                _converted.pop(sql, None)
            raise OtherColumnsError from error
        if not zoned:
            return names
        connection.abort()
    names, zoned = _execute(connection, sql, params)
    if not zoned:
        return names
    connection.abort()
    if len({name.lower() for name in names}) < len(names):
        converted = f"SELECT {_positions(len(names), zoned)} FROM ({sql}\n) AS answer"
        _execute(connection, converted, params)
        return names
    columns = (f"{_quoted(names[n])} AT TIME ZONE 'UTC' AS {_quoted(names[n])}" for n in zoned)
    converted = f"SELECT * REPLACE ({', '.join(columns)}) FROM ({sql}\n) AS answer"
    with _converted_lock:
        _converted[sql] = converted
        if len(_converted) > _CONVERTED_TEXTS:
            del _converted[next(iter(_converted))]
    return _execute(connection, converted, params)[0]


def _execute(
    connection: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Any]
) -> tuple[list[str], list[int]]:
    """Start a query; return the names of its columns, and the places of times with a zone."""
    connection.execute(sql, list(params)) if params else connection.execute(sql)
    columns = connection.description or []
    zoned = [n for n, column in enumerate(columns) if str(column[1]) == _ZONED]
    return _unique([str(column[0]) for column in columns]), zoned


def _positions(count: int, zoned: Sequence[int]) -> str:
    return ", ".join(
        f"(#{n + 1} AT TIME ZONE 'UTC') AS c{n}" if n in zoned else f"#{n + 1} AS c{n}"
        for n in range(count)
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def json_value(value: Any) -> Any:
    """Return a value as a JSON-compatible one."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(cast("bytes", value)).decode()
    if isinstance(value, dict):
        return {str(k): json_value(v) for k, v in cast("dict[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [json_value(v) for v in cast("list[Any]", value)]
    if isinstance(value, timedelta):
        return f"PT{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "S"
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _unique(names: list[str]) -> list[str]:
    """Return unique column names, such as `a`, `a_1`: no value is lost."""
    used: set[str] = set()
    out: list[str] = []
    for name in names:
        candidate, n = name, 0
        while candidate in used:
            n += 1
            candidate = f"{name}_{n}"
        used.add(candidate)
        out.append(candidate)
    return out
