"""The DuckDB file: open in one process, with one writer at a time, and checkpoints when idle."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
import weakref
from collections.abc import Collection, Generator
from pathlib import Path

import duckdb

from playhead.errors import StoreError, StoreLockedError
from playhead.regular_file import is_other
from playhead.store import schema
from playhead.store.archive_files import set_unknown_aside
from playhead.store.background import made_in_background
from playhead.store.database_settings import (
    COMMIT_MEMORY,
    SPILL,
    database_settings,
    restrict,
)
from playhead.store.file_connection import close_file
from playhead.store.folder_lock import take_lock
from playhead.store.kept_answers import KeptAnswers
from playhead.store.kept_rows import KeptRows
from playhead.store.migrations import migration
from playhead.store.query_limits import are_running, make_room
from playhead.store.stale_figures import noted_in
from playhead.store.turn import Turn
from playhead.store.write_ahead_log import set_garbage_aside

__all__ = ["DATABASE", "Store", "opening_hint"]

DATABASE = "playhead.duckdb"
_MOVE = "Move it away, or choose another folder with --store."
CHECKPOINT_BYTES = 1 << 20
"""Minimum size of the write-ahead log for a checkpoint."""
_COMMIT_SOMETHING = """
BEGIN TRANSACTION;
DELETE FROM derived WHERE name = 'checkpoint';
INSERT INTO derived VALUES ('checkpoint', 1);
COMMIT
"""
OPEN_SECONDS = 5.0
"""Seconds to wait until a process that reads the file directly closes it."""


class Store:
    """The DuckDB file of a store folder, opened for writing by this process only.

    Writers take turns in `transaction()`. Readers use a `cursor()`, which sees committed rows.
    """

    def __init__(self, folder: Path) -> None:
        """Open the store in this folder; create the folder and the file if they do not exist.

        Raises:
            StoreLockedError: Another process has the store open.
            StoreError: The folder or the file cannot be used.
        """
        self.folder = folder
        self.path = folder / DATABASE
        self._turn = Turn()
        self._dirty = False
        self._closed = False
        self.kept = KeptRows()
        """Rows of earlier queries that are still right."""
        self.kept_answers = KeptAnswers()
        """The same for queries that read nothing but `invocations` and `recordings`."""
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self.reopened = 0
        """Number of times that the database was opened again because it had failed."""
        self.removed_spans = 0
        """Number of spans that were deleted or archived."""
        self.set_aside_files = 0
        """Number of archived files of runs that the database does not know; they are not read."""
        self.set_aside_log: Path | None = None
        """What was in place of the write-ahead log and was no log, under its new name."""
        self.uncertain = 0
        """Number of commits that raised an error. Such a commit may be in the file nevertheless,
        so what a writer remembers about its tables has to be read again."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = take_lock(folder)
            if not os.access(folder, os.W_OK | os.X_OK):
                self._lock.release()
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        except OSError as error:
            raise StoreError(
                f"The store cannot be used: {error.filename or folder}: {error.strerror}",
                "Move away what is in its place, or choose a writable folder with --store.",
            ) from error
        # A process that was killed leaves the spilled rows of its queries.
        if (folder / SPILL).is_dir():  # rmtree waits for the writer of a pipe
            shutil.rmtree(folder / SPILL, ignore_errors=True)
        try:
            self._connection = self._open()
        except BaseException:
            self._lock.release()
            raise

    @property
    def is_wanted(self) -> bool:
        """Whether a writer waits for the transaction of another one, or for its own turn."""
        return self._turn.is_wanted

    def _connect(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.path), config=database_settings(self.folder))

    def _open(self) -> duckdb.DuckDBPyConnection:
        for path in (self.path, self.path.with_name(self.path.name + ".wal")):
            if is_other(path):  # DuckDB would wait for the writer of a pipe
                raise StoreError(f"{path} is not a file", _MOVE)
        spill = self.folder / SPILL
        if spill.exists() and not spill.is_dir():
            raise StoreError(f"{spill} is not a folder", _MOVE)
        close_file(self.path)
        try:
            aside = set_garbage_aside(self.path.with_name(self.path.name + ".wal"))
        except OSError as error:
            raise StoreError(f"{error.filename} cannot be used: {error.strerror}", _MOVE) from error
        self.set_aside_log = aside or self.set_aside_log
        deadline = time.monotonic() + OPEN_SECONDS
        while True:
            try:
                connection = made_in_background(self._connect)
                break
            except duckdb.IOException as error:
                if "lock" not in str(error).lower():
                    raise StoreError(
                        f"{self.path} cannot be opened: {str(error).rstrip('.!')}",
                        opening_hint(error),
                    ) from error
                if time.monotonic() > deadline:
                    raise StoreLockedError(
                        f"{self.path} is open in another process: {error}",
                        "Close that process, or choose another folder with --store.",
                    ) from error
                time.sleep(0.05)
            except duckdb.Error as error:
                raise StoreError(
                    f"{self.path} is not a usable DuckDB database: {error}",
                    "Move the file away, or choose another folder with --store.",
                ) from error
        try:
            restrict(connection, self.folder)
            before, after = migration(connection, self.path)
            # In one transaction: a database of something else stays as it is.
            connection.execute(f"BEGIN; {before} {schema.create_statements()} {after} COMMIT")
            runs = {run for (run,) in connection.execute("SELECT run FROM archives").fetchall()}
            self.set_aside_files += set_unknown_aside(self.folder, runs)
            with contextlib.closing(connection.cursor()) as cursor:
                views = schema.archive_statements(cursor, self.folder)
            connection.execute(views)
            connection.execute("SET lock_configuration = true")
        except StoreError:
            connection.close()
            raise
        except (duckdb.Error, OSError) as error:
            connection.close()
            raise StoreError(
                f"The tables of {self.path} cannot be created: {error}",
                "Move the file away, or choose another folder with --store.",
            ) from error
        return connection

    @contextlib.contextmanager
    def transaction(
        self, *, noted: bool = False, heads: bool = True
    ) -> Generator[duckdb.DuckDBPyConnection]:
        """Yield the writer's connection in a transaction, which is durable after the block.

        A database that failed earlier, for example on a full disk, is opened again.

        Args:
            noted: Whether `note_stale` takes note of all invocations about which something is
                written; else it may be any.
            heads: Whether `invocations` or `recordings` may be written.

        Raises:
            duckdb.Error: A statement or the commit failed; see `uncertain`.
        """
        with self._turn:
            self._reopen_failed()
            connection = self._connection
            try:
                with noted_in(connection) as ids:
                    connection.execute("BEGIN TRANSACTION")
                    yield connection
                    self.kept.expect(ids if noted else None)
                    self._commit(connection)
            except BaseException as error:
                self._roll_back(connection)
                self._forget(None)  # a commit that failed may be in the file nevertheless
                if isinstance(error, duckdb.OutOfMemoryException):
                    make_room()  # for the next try
                raise
            self._forget(ids if noted else None, heads=heads)
            self._dirty = True

    def _forget(self, ids: Collection[str] | None, *, heads: bool = True) -> None:
        """Forget kept rows of these invocations, or of all, after they were written."""
        self.kept.forget(ids)
        if heads or ids is None:
            self.kept_answers.forget()

    def _commit(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            with self._more_memory():
                connection.execute("COMMIT")
        except BaseException:
            self.uncertain += 1
            raise

    @contextlib.contextmanager
    def _more_memory(self) -> Generator[None]:
        """Let the database have more memory within the block, if queries are running."""
        if not are_running():
            yield
            return
        with contextlib.closing(self._connection.cursor()) as cursor:
            cursor.execute(f"SET memory_limit = '{COMMIT_MEMORY}'")
            try:
                yield
            finally:
                # When queries have taken it meanwhile, it stays for them until the next commit.
                with contextlib.suppress(duckdb.Error):
                    usual = database_settings(self.folder)["memory_limit"]
                    cursor.execute(f"SET memory_limit = '{usual}'")

    def _roll_back(self, connection: duckdb.DuckDBPyConnection) -> None:
        """End a transaction; without memory that can fail, so its connection is replaced."""
        try:
            connection.execute("ROLLBACK")
        except duckdb.Error:
            with contextlib.suppress(duckdb.Error):
                self._connection = connection.cursor()
                connection.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection for one reader; the caller closes it."""
        cursor = self._connection.cursor()
        self._cursors.add(cursor)
        return cursor

    @contextlib.contextmanager
    def reading(self) -> Generator[duckdb.DuckDBPyConnection]:
        """Yield a cursor, also when the database has failed and has to be opened again.

        Raises:
            StoreError: It cannot be opened again.
        """
        try:
            cursor = self.cursor()
        except duckdb.ConnectionException:
            self.recover()
            cursor = self.cursor()
        with contextlib.closing(cursor):
            yield cursor

    @contextlib.contextmanager
    def quiet(self) -> Generator[Path]:
        """Yield the path of the file, which has every commit and does not change in the block.

        Raises:
            StoreError: Queries are running whose rows are still needed.
        """
        with self._turn:
            self._reopen_failed()
            self._connection.execute("CHECKPOINT")
            self._dirty = False
            if self.log_bytes():
                raise StoreError(
                    f"{self.path} is being read", "Try again when the running queries have ended."
                )
            yield self.path

    def check(self) -> None:
        """Read from the database. Raises duckdb.Error if it has failed."""
        with contextlib.closing(self.cursor()) as cursor:
            cursor.execute("FROM spans LIMIT 0")

    def recover(self) -> None:
        """Open the database again if it has failed. Raises StoreError if that is impossible."""
        with self._turn:
            self._reopen_failed()

    def _reopen_failed(self) -> None:
        """Replace the connections of a database that DuckDB has invalidated.

        An error while DuckDB writes the file invalidates the whole database in this process, for
        writers and readers. The file holds every commit, so opening it again is enough.
        """
        if self._closed:
            return
        try:
            with contextlib.closing(self.cursor()) as cursor:
                cursor.execute("FROM spans LIMIT 0")
            return
        except (duckdb.FatalException, duckdb.ConnectionException):
            pass
        # The process shares one instance of a file until its last connection is closed.
        for cursor in list(self._cursors):
            with contextlib.suppress(duckdb.Error):
                cursor.interrupt()
                cursor.close()
        with contextlib.suppress(duckdb.Error):
            self._connection.close()
        self._connection = self._open()
        self._forget(None)
        self.reopened += 1

    def checkpoint(self, *, least_bytes: int = CHECKPOINT_BYTES, merge: bool = True) -> bool:
        """Move the write-ahead log into the database; return whether it was large enough.

        Args:
            least_bytes: Minimum size of the log to move it.
            merge: Whether to merge row groups that are not full, and to remove deleted rows, which
                can take ten times as long; see `playhead.store.row_groups`.
        """
        if not self._dirty or self.log_bytes() < least_bytes:
            return False
        with self._turn:
            try:
                if merge:
                    self._connection.execute("CHECKPOINT")
                else:
                    self._checkpoint_as_it_is()
            except duckdb.TransactionException:
                return False
            self._dirty = False
        return True

    def _checkpoint_as_it_is(self) -> None:
        """Write new rows only.

        DuckDB merges row groups unless a transaction is open that does not see the newest commit.
        """
        with contextlib.closing(self.cursor()) as cursor:
            cursor.execute("BEGIN TRANSACTION")
            cursor.execute("FROM derived LIMIT 0").fetchall()
            try:
                self._connection.execute(_COMMIT_SOMETHING)
            except duckdb.Error:
                self._roll_back(self._connection)
                raise
            self._connection.execute("CHECKPOINT")

    def log_bytes(self) -> int:
        """Return the size of the write-ahead log."""
        return _size(self.path.with_name(self.path.name + ".wal"))

    def bytes(self) -> int:
        """Return the size on disk in bytes, write-ahead log included."""
        return _size(self.path) + self.log_bytes()

    def close(self) -> None:
        """Checkpoint, close the file and release the lock. Closing twice is allowed."""
        with contextlib.suppress(duckdb.Error):
            self.checkpoint(least_bytes=0, merge=False)
        with self._turn:
            self._closed = True
            self._connection.close()
        self._lock.release()


def opening_hint(error: duckdb.Error) -> str:
    """Return what to do when a database cannot be opened."""
    text = str(error).lower()
    if isinstance(error, duckdb.ConnectionException) or "lock" in text:
        return "Close the process that has the file open, or start `playhead record`."
    if "permission" in text:
        return "Check the permissions of the file, or choose another folder with --store."
    return "Move the file away, or choose another folder with --store."


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
