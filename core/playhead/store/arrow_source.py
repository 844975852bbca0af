"""Arrow tables as sources of prepared statements, which DuckDB plans once for all tables."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Generator
from typing import Any

import duckdb

from playhead.store.arrow import ArrowTable

__all__ = ["ArrowSource"]


class ArrowSource:
    """A view of one connection at a time, whose rows are those of an Arrow table.

    A view of a table itself would stay in the plan of a prepared statement with its first rows.
    DuckDB asks this object for its rows at each execution (the Arrow PyCapsule interface).
    """

    def __init__(self, name: str) -> None:
        """Do nothing yet; `rows` creates the view.

        Args:
            name: Name of the view in SQL.
        """
        self._name = name
        self._connection: weakref.ref[duckdb.DuckDBPyConnection] | None = None
        self._statements: dict[str, str] = {}
        self._table: ArrowTable = None

    @contextlib.contextmanager
    def rows(self, connection: duckdb.DuckDBPyConnection, table: ArrowTable) -> Generator[None]:
        """Let the view of this connection have these rows within the block.

        Args:
            connection: The connection; statements are prepared again after a change.
            table: The rows, always with the same columns.
        """
        self._table = table
        try:
            if self._connection is None or self._connection() is not connection:
                connection.register(self._name, self)
                self._connection = weakref.ref(connection)
                self._statements = {}
            yield
        finally:
            self._table = None

    def forget(self) -> None:
        """Create the view again at the next use: a transaction that created it may have failed."""
        self._connection = None

    def prepared(self, sql: str) -> str:
        """Return the SQL that executes this statement. Call it within `rows`."""
        if sql not in self._statements:
            assert self._connection is not None
            connection = self._connection()
            assert connection is not None
            name = f"{self._name}_{len(self._statements)}"
            connection.execute(f"PREPARE {name} AS {sql}")
            self._statements[sql] = f"EXECUTE {name}"
        return self._statements[sql]

    def __arrow_c_schema__(self) -> Any:
        return self._table.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)
