"""Limits of queries, and the thread that ends those that exceed them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import psutil

from playhead.errors import (
    ArchivedFileError,
    QueryError,
    QueryLimitError,
    QueryMemoryError,
    StoreError,
)
from playhead.store.archive_files import archive_problem

__all__ = ["DEFAULT_LIMITS", "Limits", "Reading", "make_room"]

_WATCH_SECONDS = 0.025
_IDLE_LOOKS = 80
"""Looks without a query before the watching thread sleeps."""
_STUCK_SECONDS = 10.0
_LONG_SECONDS = 0.5
"""Time after which a query is ended when others have no memory."""
_SLOW_SECONDS = 0.1
"""Time in which most queries end."""
_ENDING_SECONDS = 0.25
"""Time in which a query that was interrupted usually returns its memory."""
_PINNED = "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'ALLOCATOR'"
_PINNED_BYTES = 240 * 1024 * 1024
"""Memory that DuckDB cannot spill from which a query is ended, so that commits have the rest.

It holds the lists and texts of aggregates, but not the rows of sorts, groups and joins.
"""
_RISE_BYTES = 64 * 1024 * 1024
"""Rise of the memory during a query from which the query can be the reason."""
_NEXT_BYTES = 32 * 1024 * 1024
"""Rise of the memory that cannot be spilled from which a further query is ended.

A query notices that it is ended only after the step that it computes, which can take long.
"""
_FULL_BYTES = _PINNED_BYTES + _RISE_BYTES
"""What such memory takes, at least, when there is no more."""
_LESS = "Select fewer rows or columns, or try again when the other queries have ended."


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one query."""

    seconds: float = 30.0
    rows: int = 1_000_000
    bytes: int = 256 * 1024 * 1024
    """Size of an Arrow result, of a JSON answer, or of the texts in rows."""
    memory: int = 768 * 1024 * 1024
    """Growth of this process during the query."""
    process: int | None = None
    """Memory of this process from which the query is ended if it is slow and the process has grown.

    DuckDB does not count the texts and lists that expressions make, 2,048 rows at a time.
    """
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


DEFAULT_LIMITS = Limits()


class Reading:
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
        self._beside = connection.cursor()
        """Connection for questions about the memory while the query runs."""
        self._asking = threading.Lock()
        """Held while that connection is used: it cannot be closed then, nor can its parent."""
        self._least_pinned: int | None = None

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

    def fills(self, memory: int) -> bool:
        """Return whether this process needs too much memory, maybe for this query."""
        most = self._limits.process
        return most is not None and memory > most and self.grown(memory)

    def grown(self, memory: int) -> bool:
        """Return whether this process has grown much since the query began."""
        return memory - self._before > _RISE_BYTES

    def pinned(self) -> int:
        """Return the memory that DuckDB cannot spill, of all queries."""
        with self._asking:
            try:
                return sum(size for (size,) in self._beside.execute(_PINNED).fetchall())
            except duckdb.OutOfMemoryException:  # not even this question can be answered
                return _FULL_BYTES
            except duckdb.Error:  # it is closed, or is being closed
                return 0

    def raised(self, pinned: int) -> bool:
        """Return whether the memory that DuckDB cannot spill has risen much since it began."""
        self._least_pinned = pinned if self._least_pinned is None else self._least_pinned
        self._least_pinned = min(pinned, self._least_pinned)
        return pinned - self._least_pinned > _RISE_BYTES

    @property
    def began(self) -> float:
        """Time of the monotonic clock at which it began."""
        return self._deadline - self._limits.seconds

    @property
    def interrupted(self) -> float | None:
        """Time of the monotonic clock at which it was first interrupted."""
        return self._interrupted

    def __enter__(self) -> Reading:
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
        while not self._asking.acquire(timeout=_WATCH_SECONDS):
            self._beside.interrupt()  # again and again, as above
        self._beside.close()
        self._asking.release()
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
        self._readings: set[Reading] = set()
        self._thread: threading.Thread | None = None
        self._is_asleep = False
        self._measuring: threading.Thread | None = None
        self._ended_at = 0
        """Memory that could not be spilled when a query was last ended for it."""

    def add(self, reading: Reading) -> None:
        with self._changed:
            self._readings.add(reading)
            if self._thread is None or not self._thread.is_alive():  # or this is a forked process
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()
            elif self._is_asleep:
                self._changed.notify()

    def remove(self, reading: Reading) -> None:
        """Forget a query; it is not interrupted when this has returned."""
        with self._changed:
            self._readings.discard(reading)

    @property
    def is_busy(self) -> bool:
        return bool(self._readings)

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
        now = time.monotonic()
        for reading in self._readings:
            if now - reading.began > _SLOW_SECONDS and reading.fills(memory):
                reading.leave_room()
            reading.look(memory)
        grown = next((r for r in self._readings if r.grown(memory)), None)
        if grown is None:
            for reading in self._readings:
                reading.raised(0)
        elif self._measuring is None or not self._measuring.is_alive():
            # DuckDB's answer can take long, and other limits have to hold meanwhile.
            self._measuring = threading.Thread(
                target=self._measure, args=(grown,), name="memory", daemon=True
            )
            self._measuring.start()

    def _measure(self, reading: Reading) -> None:
        """End a query if too much memory cannot be spilled."""
        pinned = reading.pinned()
        with self._changed:
            raised = [r for r in self._readings if r.raised(pinned)]
            if pinned > _PINNED_BYTES:
                self._leave_room(raised, pinned)

    def _leave_room(self, raised: Sequence[Reading], pinned: int) -> None:
        """End one of the queries during which the memory that cannot be spilled has risen.

        It is the youngest, if it is slow: one that ran before the rise is less likely the reason.
        """
        now = time.monotonic()
        ended = [r.interrupted for r in self._readings if r.interrupted is not None]
        is_ending = any(now - at < _ENDING_SECONDS for at in ended)
        if is_ending and pinned < self._ended_at + _NEXT_BYTES:
            return
        running = sorted((r for r in raised if r.interrupted is None), key=lambda r: r.began)
        slow = [r for r in running if now - r.began > _SLOW_SECONDS]
        if running:
            (slow or running[:1])[-1].leave_room()
            self._ended_at = pinned


_watch = _Watch()


def are_running() -> bool:
    """Return whether queries are running."""
    return _watch.is_busy


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
    if (problem := archive_problem(error)) is not None:
        return ArchivedFileError(problem)
    return QueryError(str(error))
