"""The DuckDB file: opening, one writer at a time, checkpoints when idle."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator
from pathlib import Path

import duckdb

from playhead.errors import StoreError, StoreLockedError
from playhead.store import schema
from playhead.store.locks import FileLock

__all__ = ["DATABASE", "SETTINGS", "Store"]

DATABASE = "playhead.duckdb"
LOCK = "recorder.lock"
CHECKPOINT_THRESHOLD = "1GB"
CHECKPOINT_BYTES = 1 << 20
"""A shorter write-ahead log is not worth a checkpoint."""
OPEN_SECONDS = 5.0
"""How long to wait for a reader of the bare file to close it."""

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # Automatic checkpoints stall acknowledgements for seconds.
    "checkpoint_threshold": CHECKPOINT_THRESHOLD,
    # SQL reaches neither files nor network, and cannot turn that on again.
    "enable_external_access": False,
    # A name in SQL is a table, never a variable of this program.
    "python_enable_replacements": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
}


class Store:
    """The recording, opened for writing by this process alone.

    `transaction()` gives writers their turn; `cursor()` gives readers a connection of their
    own, which sees only what is committed.
    """

    def __init__(self, folder: Path) -> None:
        """Open the store in this folder, made when it is not there.

        Raises:
            StoreLockedError: another process has it.
            StoreError: the folder or the file cannot be used.
        """
        self.folder = folder
        self.path = folder / DATABASE
        self._turn = threading.Lock()
        self._dirty = False
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = FileLock(folder / LOCK)
            holder = self._lock.acquire()
        except OSError as error:
            raise StoreError(f"The store {folder} cannot be used: {error}") from error
        if holder is not None:
            who = f"process {holder}" if holder else "another process"
            raise StoreLockedError(f"The store {folder} is in use: {who} records into it.")
        try:
            self._connection = self._open()
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + OPEN_SECONDS
        while True:
            try:
                connection = duckdb.connect(str(self.path), config=SETTINGS)
                break
            except duckdb.IOException as error:
                if "lock" not in str(error).lower():
                    raise StoreError(f"{self.path} cannot be opened: {error}") from error
                if time.monotonic() > deadline:
                    raise StoreLockedError(
                        f"Another process has {self.path} open: {error}"
                    ) from error
                time.sleep(0.05)
            except duckdb.Error as error:
                raise StoreError(f"{self.path} is no usable database: {error}") from error
        try:
            connection.execute(schema.create_statements())
            connection.execute("SET lock_configuration = true")
        except duckdb.Error as error:
            connection.close()
            raise StoreError(f"{self.path} cannot be prepared: {error}") from error
        return connection

    @contextlib.contextmanager
    def transaction(self) -> Generator[duckdb.DuckDBPyConnection]:
        """The writer's connection inside a transaction; durable when the block has ended."""
        with self._turn:
            connection = self._connection
            connection.execute("BEGIN TRANSACTION")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    connection.execute("ROLLBACK")
                raise
            self._dirty = True

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one reader; close it."""
        return self._connection.cursor()

    def checkpoint(self, *, least_bytes: int = CHECKPOINT_BYTES) -> bool:
        """Move the write-ahead log into the database when it is worth it; whether it was."""
        if not self._dirty or self.log_bytes() < least_bytes:
            return False
        with self._turn:
            try:
                self._connection.execute("CHECKPOINT")
            except duckdb.TransactionException:
                return False
            self._dirty = False
        return True

    def log_bytes(self) -> int:
        """Size of the write-ahead log."""
        return _size(self.path.with_name(self.path.name + ".wal"))

    def bytes(self) -> int:
        """Size on disk, write-ahead log included."""
        return _size(self.path) + self.log_bytes()

    def close(self) -> None:
        """Checkpoint, close, and let others have it; safe to call twice."""
        with contextlib.suppress(duckdb.Error):
            self.checkpoint(least_bytes=0)
        with self._turn:
            self._connection.close()
        self._lock.release()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
