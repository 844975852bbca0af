"""The SQL queries that a user writes, on the store or the server, and files of their results."""

from __future__ import annotations

import csv
import io
import json
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

__all__ = ["FORMATS", "Engine", "SqlConsole", "cell_text", "columns_of", "csv_text"]

Engine = Literal["store", "server"]
FORMATS = (".csv", ".json", ".parquet")
"""Endings of the files that results can be written to."""

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
        if path.suffix not in FORMATS:
            raise ExportError(
                f"{path} has no format that results can be written in",
                f"Name a file that ends in {', '.join(FORMATS)}.",
            )
        if path.suffix == ".parquet":
            data, number = await self._parquet(engine, sql)
        else:
            rows = await self.query(engine, sql)
            number = len(rows)
            text = csv_text(rows) if path.suffix == ".csv" else f"{json.dumps(rows, indent=2)}\n"
            data = text.encode()
        _write_new(path, data)
        return number

    async def _parquet(self, engine: Engine, sql: str) -> tuple[bytes, int]:
        import pyarrow.parquet

        parquet: Any = pyarrow.parquet
        source = self._store.arrow if engine == "store" else self._server.query_arrow
        try:
            table: Any = await source(sql)
        except QueryFailedError as error:
            raise QueryError(error.title, error.hint) from error
        buffer = io.BytesIO()
        parquet.write_table(table, buffer)
        return buffer.getvalue(), int(table.num_rows)

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


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV with a header, without control characters."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = columns_of(rows)
    if columns:
        writer.writerow([clean(name) for name in columns])
    writer.writerows([cell_text(row.get(name)) for name in columns] for row in rows)
    return out.getvalue()


def cell_text(value: Any) -> str:
    """Return a value of a result on one line; empty for NULL."""
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    return clean(json.dumps(value, ensure_ascii=False))
