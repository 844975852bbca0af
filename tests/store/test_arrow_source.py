"""Prepared statements read the rows of the moment, also after a transaction has failed."""

from __future__ import annotations

import duckdb
import pytest
from playhead.store.arrow import pa
from playhead.store.arrow_source import ArrowSource

INSERT = "INSERT INTO numbers SELECT number FROM incoming"


def add(source: ArrowSource, connection: duckdb.DuckDBPyConnection, *numbers: int) -> None:
    with source.rows(connection, pa.table({"number": pa.array(numbers, pa.int64())})):
        connection.execute(source.prepared(INSERT))


def stored(connection: duckdb.DuckDBPyConnection) -> list[int]:
    return [number for (number,) in connection.execute("FROM numbers ORDER BY 1").fetchall()]


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE numbers (number BIGINT)")
    return connection


def test_each_execution_reads_its_own_rows(connection: duckdb.DuckDBPyConnection) -> None:
    source = ArrowSource("incoming")
    add(source, connection, 1, 2)
    add(source, connection, 3)
    connection.execute("ALTER TABLE numbers RENAME TO others")
    connection.execute("ALTER TABLE others RENAME TO numbers")
    add(source, connection, 4, 5, 6)
    assert stored(connection) == [1, 2, 3, 4, 5, 6]


def test_a_failed_transaction(connection: duckdb.DuckDBPyConnection) -> None:
    source = ArrowSource("incoming")
    connection.execute("BEGIN")
    add(source, connection, 1)
    connection.execute("ROLLBACK")  # the view is lost with it
    source.forget()
    add(source, connection, 2)
    connection.execute("BEGIN")
    add(source, connection, 3)
    connection.execute("ROLLBACK")
    source.forget()
    add(source, connection, 4)
    assert stored(connection) == [2, 4]


def test_another_connection(connection: duckdb.DuckDBPyConnection) -> None:
    source = ArrowSource("incoming")
    add(source, connection, 1)
    add(source, connection.cursor(), 2)
    add(source, connection, 3)
    assert stored(connection) == [1, 2, 3]
