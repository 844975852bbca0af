"""A client that reads the store's file directly, while no recorder has it open."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from playhead.errors import RecorderError, StoreError

if TYPE_CHECKING:
    import duckdb

    from playhead.store.arrow import ArrowTable

__all__ = ["FileClient", "FileInUseError"]

_T = TypeVar("_T")
_TURNS: dict[Path, threading.Lock] = {}
"""One lock per file. All connections of a process to one file share a database instance, whose
configuration can be locked only once: so in a process, one query at a time has the file open."""


class FileInUseError(RecorderError):
    """Another process has the file open for writing."""


class FileClient:
    """A client that opens the file for one query at a time: no recorder can start meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._checked = False
        self._turn = _TURNS.setdefault(path.resolve(), threading.Lock())

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of one SELECT, as JSON-compatible values."""
        from playhead.store.query import to_rows

        return await self._run(sql, lambda connection: to_rows(connection, sql, params))

    async def rows_of(
        self, sql: str, params: Sequence[Any], of_ids: str
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of a SELECT, and those of another one for the ids in them."""
        heads = await self.rows(sql, params)
        return heads, await self.rows(of_ids, [[head["id"] for head in heads]])

    async def arrow(self, sql: str, params: Sequence[Any] = ()) -> ArrowTable:
        """Return the rows of one SELECT as an Arrow table."""
        from playhead.store.query import to_arrow

        return await self._run(sql, lambda connection: to_arrow(connection, sql, params))

    async def health(self) -> dict[str, Any] | None:
        """Return None: there is no recorder."""
        return None

    async def changes(self, since: str | None, wait: float) -> None:
        """Return None: there is no recorder."""

    async def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> None:
        """Return None: the text index may be behind the file."""

    def describe(self) -> str:
        """Return a description of the file."""
        return f"file {self._path} (no recorder is running)"

    async def close(self) -> None:
        """Do nothing: the file is open only during a query."""

    async def _run(self, sql: str, query: Callable[[duckdb.DuckDBPyConnection], _T]) -> _T:
        import duckdb

        from playhead.store.database import database_settings, opening_hint, restrict

        def connect() -> duckdb.DuckDBPyConnection:
            settings = database_settings(self._path.parent)
            try:
                return duckdb.connect(str(self._path), read_only=True, config=settings)
            except duckdb.Error as error:
                in_use = isinstance(error, duckdb.IOException) and "lock" in str(error).lower()
                raise (FileInUseError if in_use else RecorderError)(
                    f"{self._path} cannot be opened: {str(error).rstrip('.!')}",
                    opening_hint(error),
                ) from error

        def run() -> _T:
            with self._turn:
                connection = connect()
                try:
                    if self._is_older(connection):
                        connection.close()
                        _migrate(self._path)
                        connection = connect()
                    if "all_" in sql.lower():
                        _refresh_archive_views(connection, self._path.parent)
                    restrict(connection, self._path.parent)
                    connection.execute("SET lock_configuration = true")
                    return query(connection)
                finally:
                    connection.close()

        return await asyncio.to_thread(run)

    def _is_older(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Return whether the tables are to be migrated, when they are first read.

        Raises:
            RecorderError: A newer Playhead wrote the store.
        """
        from playhead.store.migrations import SCHEMA_VERSION, require_known, stored_version

        if self._checked:
            return False
        version = stored_version(connection)
        try:
            require_known(version, self._path)
        except StoreError as error:
            raise RecorderError(error.title, error.hint) from error
        self._checked = True
        return version < SCHEMA_VERSION


def _migrate(path: Path) -> None:
    """Migrate the store, as the next recorder would; one that cannot be written stays as it is."""
    from playhead.store.database import DATABASE, Store

    if path.name == DATABASE:
        with contextlib.suppress(StoreError):
            Store(path.parent).close()


def _refresh_archive_views(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Let the views read the archive where it is now: those of the file are as of its last change.

    The folder may have been moved since, and files in it too.
    """
    from playhead.store.schema import archive_statements

    with contextlib.closing(connection.cursor()) as cursor:
        views = archive_statements(cursor, folder, temporary=True)
    connection.execute(views)
