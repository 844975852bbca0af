"""The SQL queries that a user writes, on the store or the server, and files of their results."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from playhead.errors import (
    ExportError,
    QueryError,
    QueryFailedError,
    RecorderError,
    UnreachableError,
)
from playhead.reader.sources import Sources
from playhead.text import clean

__all__ = ["FORMATS", "NULL", "Engine", "SqlConsole", "cell_text", "columns_of", "csv_text"]

Engine = Literal["store", "server"]
FORMATS = (".csv", ".json", ".parquet")
"""Endings of the files that results can be written to."""

NULL = "NULL"
"""What a table shows for it: an empty text is another value."""
QUOTE = '"'
_QUOTED = re.compile(r'[",\r\n]|^\s|\s$').search

_STORE_COLUMNS = (
    "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
    " ORDER BY table_name, column_index"
)
_SERVER_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema <> 'information_schema'"
)


class SqlConsole:
    """Two engines: DuckDB on the store, and the server's own SQL on what it has now."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def query(self, engine: Engine, sql: str) -> list[dict[str, Any]]:
        """Return the rows of one SELECT, as JSON-compatible values.

        Of the server's rows, those without a value in a column have no such key.

        Raises:
            QueryError: The SQL is invalid, or is not read-only.
            QueryLimitError: The query takes too long, or its result is too large.
            RecorderError: The store cannot be read.
            RestateError: The server does not answer, or cannot run the query.
        """
        if engine == "store":
            return await self._store.rows(sql)
        try:
            return await self._server.query(sql)
        except QueryFailedError as error:
            raise QueryError(error.title, error.hint) from error

    async def result(
        self, engine: Engine, sql: str
    ) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
        """Return the columns and the rows of one SELECT. Raises as `query`."""
        rows = await self.query(engine, sql)
        names = columns_of(rows)
        # Without rows, nothing names the columns. The server's rows have no key for NULL.
        if engine == "server" or not rows:
            names = tuple(dict.fromkeys((*await self._described(engine, sql), *names)))
            rows = [{name: row.get(name) for name in names} for row in rows]
        return names, rows

    async def _described(self, engine: Engine, sql: str) -> list[str]:
        """Return the columns of a query, which is not run; none of a DESCRIBE."""
        try:
            return [str(row["column_name"]) for row in await self.query(engine, f"DESCRIBE {sql}")]
        except (QueryError, KeyError):
            return []

    async def tables(self, engine: Engine) -> Mapping[str, Sequence[str]]:
        """Return the columns of every table and view, by its name. Raises as `query`."""
        sql = _STORE_COLUMNS if engine == "store" else _SERVER_COLUMNS
        found: dict[str, list[str]] = {}
        for row in await self.query(engine, sql):
            found.setdefault(str(row["table_name"]), []).append(str(row["column_name"]))
        return found

    async def export(self, engine: Engine, sql: str, path: Path) -> int:
        """Run a query, write its rows into a new file, and return their number.

        Args:
            engine: What to query.
            sql: One SELECT.
            path: A file that does not exist; its ending is one of `FORMATS`.

        Raises:
            ExportError: The file exists, has another ending, or cannot be written.
        """
        ending = path.suffix.lower()
        if ending not in FORMATS:
            raise ExportError(
                f"{path} has no format that results can be written in",
                f"Name a file that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.",
            )
        if ending == ".parquet":
            table: Any = await self._arrow(engine, sql)
            await asyncio.to_thread(lambda: _write_new(path, _parquet(table)))
            return int(table.num_rows)
        columns, rows = await self.result(engine, sql)

        def text() -> str:
            is_csv = ending == ".csv"
            return (
                csv_text(rows, columns, exact=True) if is_csv else f"{json.dumps(rows, indent=2)}\n"
            )

        await asyncio.to_thread(lambda: _write_new(path, text().encode(errors="replace")))
        return len(rows)

    async def _arrow(self, engine: Engine, sql: str) -> Any:
        source = self._store.arrow if engine == "store" else self._server.query_arrow
        try:
            return await source(sql)
        except QueryFailedError as error:
            raise QueryError(error.title, error.hint) from error

    @property
    def _store(self) -> Any:
        if self._sources.store is None:
            raise RecorderError(
                "No recorder is running, and there is no store",
                "Start `playhead record`, or name another folder with --store.",
            )
        return self._sources.store

    @property
    def _server(self) -> Any:
        if self._sources.server is None:
            raise UnreachableError(
                "No Restate server is connected", "Set RESTATE_ADMIN_URL to its admin API."
            )
        return self._sources.server


def _parquet(table: Any) -> bytes:
    import pyarrow.parquet

    parquet: Any = pyarrow.parquet
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def _write_new(path: Path, data: bytes) -> None:
    hint = "Name another file, in a folder that can be written and has room."
    try:
        path = path.expanduser()
        with path.open("xb") as file:
            try:
                file.write(data)
                file.flush()
            except OSError:  # a full disk
                path.unlink(missing_ok=True)
                raise
    except FileExistsError as error:
        raise ExportError(f"{path} exists already", hint) from error
    except (OSError, ValueError, RuntimeError) as error:  # a null, ~ of an unknown user
        reason = getattr(error, "strerror", None) or str(error)
        raise ExportError(f"{path} cannot be written: {reason}", hint) from error


def columns_of(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the columns that any of the rows has, in order of appearance."""
    return tuple(dict.fromkeys(name for row in rows for name in row))


def csv_text(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = (), *, exact: bool = False
) -> str:
    """Return rows as CSV with a header; NULL is empty, and an empty text is `""`.

    Args:
        rows: The rows.
        columns: The columns; by default, those that any of the rows has.
        exact: Keep control characters, for a file; a terminal would obey them.
    """

    def text(value: Any) -> str:
        if value is None:
            return ""
        whole = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        whole = whole if exact else clean(whole, lines=True)
        return f'"{whole.replace(QUOTE, QUOTE * 2)}"' if not whole or _QUOTED(whole) else whole

    columns = columns or columns_of(rows)
    if not columns:
        return ""
    lines = (columns, *([row.get(name) for name in columns] for row in rows))
    # Readers skip an empty line, so that it could not be a row.
    return "".join(f"{','.join(map(text, line)) or QUOTE * 2}\n" for line in lines)


def cell_text(value: Any) -> str:
    """Return a value of a result on one line, without control characters."""
    if value is None:
        return NULL
    if isinstance(value, str):
        return clean(value)
    return clean(json.dumps(value, ensure_ascii=False))
