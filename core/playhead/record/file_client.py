"""A client that reads the store's file directly, while no recorder has it open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from playhead.errors import RecorderError, StoreError
from playhead.store.file_connection import file_connection

if TYPE_CHECKING:
    import duckdb

    from playhead.store.arrow import ArrowTable

__all__ = ["FileClient", "FileInUseError"]

_T = TypeVar("_T")


class FileInUseError(RecorderError):
    """Another process has the file open for writing."""


class FileClient:
    """A client that has the file open during a query, and shortly after it for the next one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._checked = False
        self._file = file_connection(path)

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of one SELECT, as JSON-compatible values."""
        from playhead.store.query import to_rows

        return await self._run(sql, lambda connection: to_rows(connection, sql, params))

    async def rows_of(
        self, sql: str, params: Sequence[Any], *of_ids: str
    ) -> tuple[list[dict[str, Any]], ...]:
        """Return the rows of a SELECT, and those of others for the ids in them."""
        from playhead.store.kept_queries import params_of

        heads = await self.rows(sql, params)
        ids = [head["id"] for head in heads]
        return heads, *[await self.rows(one, params_of(one, ids)) for one in of_ids]

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
        """Close the file when the running query has ended."""
        await asyncio.to_thread(self._file.close)

    async def _run(self, sql: str, query: Callable[[duckdb.DuckDBPyConnection], _T]) -> _T:
        def run() -> _T:
            with self._file.query(self._path.parent, self._open) as connection:
                if "all_" in sql.lower():
                    self._refresh_archive_views(connection)
                return query(connection)

        return await asyncio.to_thread(run)

    def _open(self) -> duckdb.DuckDBPyConnection:
        from playhead.store.database_settings import restrict

        connection = self._connect()
        try:
            if self._is_older(connection):
                connection.close()
                _migrate(self._path)
                connection = self._connect()
            restrict(connection, self._path.parent)
            connection.execute("SET lock_configuration = true")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        from playhead.store.database import opening_hint
        from playhead.store.database_settings import database_settings

        settings = database_settings(self._path.parent)
        try:
            return duckdb.connect(str(self._path), read_only=True, config=settings)
        except duckdb.Error as error:
            in_use = isinstance(error, duckdb.IOException) and "lock" in str(error).lower()
            raise (FileInUseError if in_use else RecorderError)(
                f"{self._path} cannot be opened: {str(error).rstrip('.!')}",
                opening_hint(error),
            ) from error

    def _refresh_archive_views(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let the views read the archive where it is now.

        Those of the file are as of its last change. The folder may have been moved since, and files
        in it too.
        """
        from playhead.store.schema import archive_statements

        with contextlib.closing(connection.cursor()) as cursor:
            views = archive_statements(cursor, self._path.parent, temporary=True)
        if self._file.views != views:
            connection.execute(views)
            self._file.views = views

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
