"""Clients of the store, through its recorder or else directly on the file."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import httpx

from playhead.errors import QueryError, QueryLimitError, RecorderError
from playhead.record.change_feed import Changes, parse_changes
from playhead.record.endpoint import RecorderEndpoint, read_endpoint, read_token
from playhead.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from playhead.store.arrow import ArrowTable

__all__ = ["StoreClient", "connect"]

_T = TypeVar("_T")
HEALTH_SECONDS = 2.0
QUERY_SECONDS = 60.0


class StoreClient(Protocol):
    """A client of the store."""

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of one SELECT, as JSON-compatible values.

        Times are ISO 8601 text in UTC with `Z`, intervals `PT…S` text, blobs base64 text, JSON
        columns JSON text, integers of any size int.

        Raises:
            QueryError: The SQL is invalid, or is not read-only.
            QueryLimitError: The query exceeds a limit.
            RecorderError: The recorder does not answer, or the file cannot be opened.
        """
        ...

    async def arrow(self, sql: str, params: Sequence[Any] = ()) -> ArrowTable:
        """Return the rows of one SELECT as an Arrow table. Raises the same errors as `rows`."""
        ...

    async def health(self) -> dict[str, Any] | None:
        """Return the recorder's counts (see docs/recorder.md); None without a recorder."""
        ...

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        """Return what changed in the store since a position; None without a recorder.

        Args:
            since: Position of the last answer; None to start with the current one.
            wait: Seconds to wait for a change, up to 30.

        Raises:
            RecorderError: The recorder does not answer.
        """
        ...

    def describe(self) -> str:
        """Return a description of the source: a recorder with its URL, or a file with its path."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


async def connect(settings: Settings) -> StoreClient | None:
    """Return a client of the store at `settings.store`; None if it has no recorder and no file."""
    endpoint, token = read_endpoint(settings.store), read_token(settings.store)
    if endpoint is not None and token is not None:
        source = _RecorderClient(settings.store, endpoint, token)
        try:
            if await source.health() is not None:
                return source
        except RecorderError:
            pass
        await source.close()
    from playhead.store.database import DATABASE

    path = settings.store / DATABASE
    if not path.is_file():
        return None
    source = _FileClient(path)
    try:
        await source.rows("SELECT 1")
    except RecorderError:
        return None
    return source


class _RecorderClient:
    def __init__(self, store: Path, endpoint: RecorderEndpoint, token: str) -> None:
        self._store = store
        self._endpoint: RecorderEndpoint = endpoint
        self._http: httpx.AsyncClient = _client(endpoint, token)

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        content = await self._post(sql, params, "application/json")
        rows: list[dict[str, Any]] = json.loads(content)["rows"]
        return rows

    async def arrow(self, sql: str, params: Sequence[Any] = ()) -> ArrowTable:
        from playhead.store.arrow import pa

        content = await self._post(sql, params, "application/vnd.apache.arrow.stream")
        with pa.ipc.open_stream(content) as reader:
            return reader.read_all()

    async def health(self) -> dict[str, Any] | None:
        try:
            response = await self._http.get("/health", timeout=HEALTH_SECONDS)
            document: dict[str, Any] = response.raise_for_status().json()
        except (httpx.HTTPError, ValueError, OSError) as error:
            raise RecorderError(
                f"No recorder answers at {self._endpoint.api_url}", "Start `playhead record`."
            ) from error
        return document

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        params = {"wait": str(wait)} | ({"since": since} if since else {})
        try:
            response = await self._http.get(
                "/changes", params=params, timeout=wait + HEALTH_SECONDS
            )
            if response.status_code == 404:  # a recorder of an earlier version
                return None
            return parse_changes(response.raise_for_status().json())
        except (httpx.HTTPError, ValueError, OSError) as error:
            await self._moved()
            raise RecorderError(
                f"No recorder answers at {self._endpoint.api_url}", "Start `playhead record`."
            ) from error

    def describe(self) -> str:
        return f"recorder at {self._endpoint.api_url}"

    async def close(self) -> None:
        await self._http.aclose()

    async def _post(self, sql: str, params: Sequence[Any], accept: str) -> bytes:
        body = {"sql": sql, "params": list(params)}
        headers = {"accept": accept}
        try:
            try:
                response = await self._http.post("/query", json=body, headers=headers)
            except httpx.TransportError:
                if not await self._moved():
                    raise
                response = await self._http.post("/query", json=body, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            raise RecorderError(
                f"The recorder at {self._endpoint.api_url} does not answer: {error}",
                "Start `playhead record` again.",
            ) from error
        if response.status_code == 413:
            raise QueryLimitError(*_reason(response))
        if response.status_code == 400:
            raise QueryError(*_reason(response))
        if response.is_error:
            raise RecorderError(
                f"The recorder at {self._endpoint.api_url} answered {response.status_code}: "
                f"{_reason(response)[0]}"
            )
        return response.content

    async def _moved(self) -> bool:
        """Connect to a recorder that was restarted on other ports; return whether one was found."""
        endpoint, token = read_endpoint(self._store), read_token(self._store)
        if endpoint is None or token is None or endpoint == self._endpoint:
            return False
        await self._http.aclose()
        self._endpoint, self._http = endpoint, _client(endpoint, token)
        return True


def _client(endpoint: RecorderEndpoint, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=endpoint.api_url,
        headers={"authorization": f"Bearer {token}"},
        timeout=QUERY_SECONDS,
        trust_env=False,
        # Plain HTTP on this machine: loading certificates would take longer than most queries.
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )


def _reason(response: httpx.Response) -> tuple[str, str]:
    """Return the title and the hint of the API's error."""
    try:
        document = response.json()
        return str(document["error"]), str(document.get("hint") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return response.text[:500], ""


class _FileClient:
    """A client that opens the file for one query at a time: no recorder can start meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Connections of one process share the database instance and its locked configuration, so
        # only one is open at a time.
        self._opening = threading.Lock()

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        from playhead.store.query import to_rows

        return await self._run(lambda connection: to_rows(connection, sql, params))

    async def arrow(self, sql: str, params: Sequence[Any] = ()) -> ArrowTable:
        from playhead.store.query import to_arrow

        return await self._run(lambda connection: to_arrow(connection, sql, params))

    async def health(self) -> dict[str, Any] | None:
        return None

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        return None

    def describe(self) -> str:
        return f"file {self._path} (no recorder is running)"

    async def close(self) -> None:
        return None

    async def _run(self, query: Callable[[duckdb.DuckDBPyConnection], _T]) -> _T:
        import duckdb

        from playhead.store.database import SETTINGS

        def run() -> _T:
            with self._opening:
                try:
                    connection = duckdb.connect(str(self._path), read_only=True, config=SETTINGS)
                except duckdb.Error as error:
                    raise RecorderError(
                        f"{self._path} cannot be opened: {error}",
                        "Close the process that has the file open, or start `playhead record`.",
                    ) from error
                try:
                    connection.execute("SET lock_configuration = true")
                    return query(connection)
                finally:
                    connection.close()

        return await asyncio.to_thread(run)
