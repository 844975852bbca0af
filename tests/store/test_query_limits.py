"""Limits of queries: their time, their memory, and their clients."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playhead.errors import QueryLimitError, QueryMemoryError
from playhead.store import query_limits
from playhead.store.database import Store
from playhead.store.query import to_arrow, to_rows
from playhead.store.query_limits import Limits
from waiting import until


def test_a_query_that_takes_too_long_is_stopped(store: Store) -> None:
    cursor = store.cursor()
    endless = (
        "WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT max(x) FROM t"
    )
    with pytest.raises(QueryLimitError, match="longer than"):
        to_rows(cursor, endless, limits=Limits(seconds=0.3))
    assert to_rows(cursor, "SELECT 1 AS n") == [{"n": 1}]
    cursor.close()


@pytest.mark.parametrize("run", [to_rows, to_arrow])
def test_a_result_over_the_limit_is_an_error_and_never_cut(
    store: Store, run: Callable[..., object]
) -> None:
    cursor = store.cursor()
    with pytest.raises(QueryLimitError, match="more than 1000 rows"):
        run(cursor, "SELECT * FROM range(1001)", limits=Limits(rows=1000))
    run(cursor, "SELECT * FROM range(1000)", limits=Limits(rows=1000))
    with pytest.raises(QueryLimitError, match="bytes"):
        run(cursor, "SELECT repeat('x', 1000) FROM range(5000)", limits=Limits(bytes=1_000_000))
    cursor.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(repeat('x', 2000000000))",
        "SELECT length(repeat('x', n)) FROM (SELECT 2000000000 AS n)",
        "SELECT length(repeat('x', 1000 * 1000 * 1000))",
        "SELECT length(repeat(repeat('x', 1000000), 1000))",
        "SELECT length(LPAD('x', 2000000000, 'y')), rpad('x', 5, 'y')",
        "SELECT len(range(1000000000))",
        "SELECT len(generate_series(1, ?))",
        "SELECT list_resize([1], 1000000000, 2)",
        "SELECT lpad('x', 10001, 'y')",
        "SELECT repeat('text', 2501) FROM range(200)",
        "SELECT repeat(name, 101) FROM spans",
        "EXPLAIN ANALYZE SELECT length(repeat('x', 2000000000))",
        "SELECT * FROM range(10) t(n) WHERE length(repeat('x', n)) > 5",
        "SELECT ['" + "x" * 200_000 + "']",
        "SELECT " + "(" * 201 + "1" + ")" * 201,
        "SELECT * FROM " + "(SELECT * FROM " * 5000 + "spans" + ")" * 5000,
    ],
)
def test_queries_that_may_need_any_memory_are_refused(store: Store, sql: str) -> None:
    cursor = store.cursor()
    with pytest.raises(QueryLimitError):
        to_rows(cursor, sql, [1_000_000_000] if "?" in sql else ())
    cursor.close()


def test_small_sizes_and_rows_of_ranges_are_answered(store: Store) -> None:
    cursor = store.cursor()
    sql = "SELECT length(repeat('x', 1000)) AS a, len(range(1, 10)) AS b, lpad('7', 3, '0') AS c"
    assert to_rows(cursor, sql) == [{"a": 1000, "b": 9, "c": "007"}]
    assert to_rows(cursor, "SELECT count(*) AS n FROM range(3000000)") == [{"n": 3_000_000}]
    quoted = "SELECT '" + "(" * 300 + "' AS text"
    assert to_rows(cursor, quoted) == [{"text": "(" * 300}]
    cursor.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT len(list(range)) FROM range(300000000)",
        "SELECT length(string_agg(lpad('x', 1000, 'y'), '')) FROM range(3000000)",
        "WITH RECURSIVE t(a) AS (SELECT lpad('x', 1000, 'y') UNION ALL SELECT a || a FROM t) "
        "SELECT max(length(a)) FROM t",
        "SELECT range, lpad('x', 100, 'y') FROM range(100000000) ORDER BY hash(range)",
    ],
)
def test_a_query_is_ended_before_it_takes_the_memory_of_the_machine(
    tmp_path: Path, sql: str
) -> None:
    """In a process of its own, whose peak is measured."""
    code = f"""
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from playhead.errors import QueryError
from playhead.store.database import Store
from playhead.store.query import to_rows
from playhead.store.query_limits import DEFAULT_LIMITS, Limits
store = Store(Path({str(tmp_path)!r}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    to_rows(store.cursor(), {sql!r}, limits=Limits(seconds=15, memory=256 << 20))
    print("answered", end=" ")
except QueryError as error:
    print(type(error).__name__, end=" ")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    ending, peak = done.stdout.split()
    assert ending in ("QueryLimitError", "QueryMemoryError", "QueryError")
    assert int(peak) < 1_000_000, "kB"


def test_a_query_whose_memory_cannot_be_spilled_is_ended_before_it_is_used_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older query, whose rows can be spilled, gets its answer."""
    monkeypatch.setattr(query_limits, "_PINNED_BYTES", 40 << 20)
    monkeypatch.setattr(query_limits, "_RISE_BYTES", 32 << 20)

    def sort() -> list[dict[str, Any]]:
        slow = (
            "SELECT count(*) AS n FROM (SELECT md5(range::VARCHAR) AS hash FROM range(1000000) "
            "ORDER BY hash LIMIT 900000)"
        )
        with store.reading() as cursor:
            return to_rows(cursor, slow, limits=Limits(seconds=120))

    # At most 300 MB, which DuckDB would grant.
    held = "SELECT len(list(sha256(range::VARCHAR))) AS n FROM range(2000000)"
    with ThreadPoolExecutor(1) as thread, store.reading() as cursor:
        sorting = thread.submit(sort)
        until(lambda: query_limits._watch._readings)
        with pytest.raises(QueryMemoryError, match="others needed its memory"):
            to_rows(cursor, held, limits=Limits(seconds=120))
        assert sorting.result() == [{"n": 900_000}]


def test_a_query_can_end_while_its_memory_is_measured(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection cannot be closed while one that was made from it is used."""
    endless = "SELECT count(*) FROM range(1000000000000)"
    monkeypatch.setattr(query_limits, "_PINNED", endless)
    with ThreadPoolExecutor(1) as thread:
        with store.reading() as cursor, query_limits.Reading(cursor, Limits(), None) as reading:
            measured = thread.submit(reading.pinned)
            until(reading._asking.locked)
        assert measured.result() == 0


def test_one_thread_watches_all_queries(store: Store) -> None:
    limits = Limits(seconds=0.2)
    endless = "SELECT count(*) FROM range(1000000000000)"
    for _ in range(2):
        with store.reading() as cursor, store.reading() as other:
            with pytest.raises(QueryLimitError, match=r"longer than 0\.2 s"):
                to_rows(cursor, endless, limits=limits)
            assert to_rows(other, "SELECT 1 AS one") == [{"one": 1}]
    assert [thread.name for thread in threading.enumerate()].count("watch") == 1


def test_a_query_ends_with_its_client(store: Store) -> None:
    endless = (
        "WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT max(x) FROM t"
    )
    gone = threading.Event()
    cursor = store.cursor()
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(to_rows, cursor, endless, (), Limits(seconds=60), gone)
        assert not running.done()
        gone.set()
        with pytest.raises(QueryLimitError, match="closed the connection"):
            running.result(20)
    cursor.close()


def test_a_query_without_memory_says_so_when_its_rollback_fails_too(store: Store) -> None:
    class Full:
        """A connection that has no memory left."""

        def __init__(self) -> None:
            self._connection = store.cursor()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._connection, name)

        def execute(self, sql: str, *args: Any) -> Any:
            if sql in ("SELECT 1", "ROLLBACK"):
                raise duckdb.OutOfMemoryException("failed to allocate data")
            return self._connection.execute(sql, *args)

    connection: Any = Full()
    with pytest.raises(QueryMemoryError, match="memory for queries is used up"):
        to_rows(connection, "SELECT 1")
