"""One read-only transaction for several queries, which share its limits of time and memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

import duckdb

from playhead.store.query_limits import Limits, Reading

__all__ = ["SharedReading"]


class SharedReading:
    """A `Reading` that begins with the first query, and ends with `close` or a failed query.

    Use it in a `with` statement for each query. A transaction of its own for each takes as long as
    a short query, mostly because each statement waits for its turn in the interpreter.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        limits: Callable[[], Limits],
        gone: threading.Event | None,
    ) -> None:
        """Begin nothing yet.

        Args:
            connection: A cursor of the store.
            limits: Returns the limits of a transaction that begins now.
            gone: Set when the client no longer waits for the results.
        """
        self._connection = connection
        self._limits = limits
        self._gone = gone
        self._open: Reading | None = None

    def __enter__(self) -> None:
        if self._open is None:
            self._open = Reading(self._connection, self._limits(), self._gone).__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self._open is not None:
            failed, self._open = self._open, None
            failed.__exit__(kind, error, trace)

    def close(self) -> None:
        """End the transaction, if there is one."""
        if self._open is not None:
            ended, self._open = self._open, None
            ended.__exit__(None, None, None)
