"""The connection of this process to the file of a store, while no recorder has it open.

Opening a file takes longer than most queries, so it stays open for the next query of a screen or
command. A recorder or another writer that starts meanwhile waits for it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

__all__ = ["FileConnection", "close_file", "file_connection"]

IDLE_SECONDS = 0.2
"""Seconds after a query in which the file stays open for the next one."""
OPEN_SECONDS = 1.0
"""Seconds after which a file is closed although queries follow each other."""
CLOSED_SECONDS = 0.1
"""Seconds for which it then stays closed; a writer that waits tries twice meanwhile."""

_State = tuple[int, ...]


class FileConnection:
    """At most one connection to a file, which runs one query at a time.

    All connections of a process to a file share one instance of the database, whose settings can be
    locked only once.
    """

    def __init__(self, path: Path) -> None:
        self._paths = (path, path.with_name(path.name + ".wal"))
        self._turn = threading.RLock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._folder: Path | None = None
        self._state: list[_State] = []
        self._opened = 0.0
        self._closing: threading.Timer | None = None
        self.views = ""
        """SQL of the temporary views that the connection has."""

    @contextlib.contextmanager
    def query(
        self, folder: Path, connect: Callable[[], duckdb.DuckDBPyConnection]
    ) -> Generator[duckdb.DuckDBPyConnection]:
        """Yield the connection for one query, which nobody else uses meanwhile.

        Args:
            folder: Folder of the store, as the caller names it; links can give it several names.
            connect: Opens the file for this folder, when it is not open or has changed.
        """
        with self._turn:
            if self._closing is not None:
                self._closing.cancel()
            if self._folder != folder or self._state != self._read_state():
                self._close()
            if self._connection is not None and time.monotonic() - self._opened > OPEN_SECONDS:
                self._close()
                time.sleep(CLOSED_SECONDS)
            if self._connection is None:
                self._folder, self._state = folder, self._read_state()
                self._connection = connect()
                self._opened = time.monotonic()
            try:
                yield self._connection
            except BaseException:
                self._close()  # an error can invalidate the whole database
                raise
            self._closing = threading.Timer(IDLE_SECONDS, self.close)
            self._closing.daemon = True
            self._closing.start()

    def close(self) -> None:
        """Close the file when the running query has ended."""
        with self._turn:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self.views = ""

    def _read_state(self) -> list[_State]:
        """Return what differs when somebody has written or replaced the file or its log."""
        found: list[_State] = []
        for path in self._paths:
            with contextlib.suppress(OSError):
                stat = path.stat()
                found.append((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return found


_CONNECTIONS: dict[Path, FileConnection] = {}


def file_connection(path: Path) -> FileConnection:
    """Return the connection to a file, the same one for all paths that lead to it."""
    return _CONNECTIONS.setdefault(path.resolve(), FileConnection(path.resolve()))


def close_file(path: Path) -> None:
    """Close a file, so that this process can open it for writing."""
    if (connection := _CONNECTIONS.get(path.resolve())) is not None:
        connection.close()
