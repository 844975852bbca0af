"""Clients of the store, through its recorder or else directly on the file."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import httpx

from playhead.errors import QueryError, QueryLimitError, RecorderError
from playhead.http_client import HttpClient
from playhead.plain_http import PlainTransport
from playhead.record.change_feed import Changes, parse_changes
from playhead.record.endpoint import (
    CLIENT_HEADER,
    PROOF_HEADER,
    SCHEME,
    RecorderEndpoint,
    proof,
    read_endpoint,
    read_token,
    signature,
)
from playhead.record.file_client import FileClient, FileInUseError
from playhead.record.shared_requests import SharedRequests, are_shared
from playhead.settings import Settings

if TYPE_CHECKING:
    from playhead.store.arrow import ArrowTable
    from playhead.store.text_index import Found

__all__ = ["RecorderAuth", "StoreClient", "connect"]

_T = TypeVar("_T")
HEALTH_SECONDS = 2.0
QUERY_SECONDS = 60.0
STARTING_SECONDS = 3.0
"""Seconds to wait for a recorder that has opened the file, but does not answer yet."""


class StoreClient(Protocol):
    """A client of the store."""

    @property
    def recording(self) -> bool:
        """Whether a recorder answered last; else the file is read, and nothing new is stored."""
        ...

    @property
    def keeps_rows(self) -> bool:
        """Whether rows of invocations are kept in memory; see `playhead.store.kept_rows`."""
        ...

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

    async def rows_of(
        self, sql: str, params: Sequence[Any], of_ids: str
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of a SELECT, and those of another one for the ids in them.

        Args:
            sql: A SELECT with the column `id`.
            params: Its parameters.
            of_ids: A SELECT with a list of ids as its only parameter.

        Raises:
            QueryError, QueryLimitError, RecorderError: As `rows` does.
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

    async def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> Found | None:
        """Return the invocations that may have all these texts, newest first.

        None if the text index cannot tell: every invocation may have them then. Invocations that
        are not indexed yet are among them, of any time.

        Args:
            texts: Texts of what was recorded, in any case.
            until_us: Latest creation time, in microseconds since 1970.
            limit: Number of invocations that is enough, up to 10,000.

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


async def connect(settings: Settings, *, complete: bool = False) -> StoreClient | None:
    """Return a client of the store at `settings.store`; None if it has no recorder and no file.

    The client stays usable when the recorder ends, or when one starts: it reads through the
    recorder while one answers, and from the file otherwise.

    Args:
        settings: The settings.
        complete: Whether to commit first what a killed recorder has left in its log.
    """
    found = await _find(settings.store)
    if complete and isinstance(found, FileClient):
        from playhead.record.log_recovery import complete_store

        await complete_store(settings.store)
    return None if found is None else _FollowingClient(settings.store, found)


async def _find(store: Path) -> _RecorderClient | FileClient | None:
    """Return a client of the store's recorder if it answers, else of its file."""
    endpoint, token = read_endpoint(store), read_token(store)
    if endpoint is not None and token is not None:
        source = _RecorderClient(endpoint, token)
        try:
            await source.health()
            return source
        except RecorderError:
            await source.close()
        except BaseException:  # a cancellation must not leave the connection open
            await source.close()
            raise
    from playhead.store.database import DATABASE

    path = store / DATABASE
    return FileClient(path) if path.is_file() else None


class _FollowingClient:
    """A client of the recorder or of the file, whichever can be read."""

    def __init__(self, store: Path, source: _RecorderClient | FileClient) -> None:
        self._store = store
        self._source: _RecorderClient | FileClient = source
        self._switching = asyncio.Lock()
        self._closed = False

    @property
    def recording(self) -> bool:
        return isinstance(self._source, _RecorderClient)

    @property
    def keeps_rows(self) -> bool:
        return self.recording

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        return await self._ask(lambda source: source.rows(sql, params))

    async def rows_of(
        self, sql: str, params: Sequence[Any], of_ids: str
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        return await self._ask(lambda source: source.rows_of(sql, params, of_ids))

    async def arrow(self, sql: str, params: Sequence[Any] = ()) -> ArrowTable:
        return await self._ask(lambda source: source.arrow(sql, params))

    async def health(self) -> dict[str, Any] | None:
        if not self.recording:
            await self._switch(self._source)
        return await self._ask(lambda source: source.health())

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        return await self._ask(lambda source: source.changes(since, wait))

    async def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> Found | None:
        return await self._ask(lambda source: source.search(texts, until_us, limit))

    def describe(self) -> str:
        return self._source.describe()

    async def close(self) -> None:
        self._closed = True
        async with self._switching:
            await self._source.close()

    async def _ask(self, query: Callable[[_RecorderClient | FileClient], Awaitable[_T]]) -> _T:
        deadline = time.monotonic() + STARTING_SECONDS
        switches = 2
        while not self._closed:
            source = self._source
            try:
                return await query(source)
            except FileInUseError:
                # A recorder has the file open some moments before it answers.
                if not await self._switch(source):
                    if time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(0.1)
            except RecorderError:
                switches -= 1
                if not switches or not await self._switch(source):
                    raise
        raise RecorderError("The connection to the store was closed")

    async def _switch(self, failed: _RecorderClient | FileClient) -> bool:
        """Replace a client that cannot read; return whether there is another one to try."""
        async with self._switching:
            if self._closed:  # a query under way fails with the connection, and opens no other
                return False
            if self._source is not failed:
                return True
            found = await _find(self._store)
            if found is None or (isinstance(found, FileClient) and isinstance(failed, FileClient)):
                return False
            self._source = found
            await failed.close()
            return True


class _RecorderClient:
    def __init__(self, endpoint: RecorderEndpoint, token: str) -> None:
        self._endpoint: RecorderEndpoint = endpoint
        self._http = _client(endpoint, token)
        self._requests = SharedRequests(self._results)
        self._takes_several = True
        """Whether the recorder accepts several queries in one request."""

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        if are_shared() and self._takes_several:
            [result] = await self._requests.ask({"sql": sql, "params": list(params)})
            return _rows(result)
        response = await self._post_query(sql, params, "application/json")
        return _rows(response.json())

    async def rows_of(
        self, sql: str, params: Sequence[Any], of_ids: str
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        if not self._takes_several:
            heads = await self.rows(sql, params)
            return heads, await self.rows(of_ids, [[head["id"] for head in heads]])
        first = {"sql": sql, "params": list(params)}
        results = await self._requests.ask(first, {"sql": of_ids, "ids_of": 0})
        return _rows(results[0]), _rows(results[1])

    async def _results(self, queries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the results of queries in one request; see `playhead.record.query_batch`."""
        response = await self._post("/queries", {"queries": queries}, "application/json")
        if response is not None:
            return response.json()["results"]
        self._takes_several = False  # a recorder of an earlier version
        results: list[dict[str, Any]] = []
        for query in queries:
            if "health" in query:
                results.append({"health": await self.health()})
                continue
            params: list[Any] = query.get("params", [])
            try:
                if (place := query.get("ids_of")) is not None:
                    params = [[row["id"] for row in _rows(results[int(place)])]]
                results.append({"rows": await self.rows(query["sql"], params)})
            except QueryError as error:
                status = 413 if isinstance(error, QueryLimitError) else 400
                results.append({"status": status, "error": error.title, "hint": error.hint})
        return results

    async def arrow(self, sql: str, params: Sequence[Any] = ()) -> ArrowTable:
        from playhead.store.arrow import pa

        kind = "application/vnd.apache.arrow.stream"
        with pa.ipc.open_stream((await self._post_query(sql, params, kind)).content) as reader:
            return reader.read_all()

    async def health(self) -> dict[str, Any] | None:
        if are_shared() and self._takes_several:
            [result] = await self._requests.ask({"health": True})
            return result["health"]
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
            raise RecorderError(
                f"No recorder answers at {self._endpoint.api_url}", "Start `playhead record`."
            ) from error

    async def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> Found | None:
        from playhead.store.text_index import Found

        body = {"texts": list(texts), "until_us": until_us, "limit": limit}
        try:
            response = await self._http.post("/search", json=body)
            if response.status_code == 404:  # a recorder of an earlier version
                return None
            found: dict[str, Any] = response.raise_for_status().json()
        except (httpx.HTTPError, ValueError, OSError) as error:
            raise RecorderError(
                f"The recorder at {self._endpoint.api_url} does not answer: {error}",
                "Start `playhead record` again.",
            ) from error
        return None if found["ids"] is None else Found(tuple(found["ids"]), found["floor_us"])

    def describe(self) -> str:
        return f"recorder at {self._endpoint.api_url}"

    async def close(self) -> None:
        await self._http.aclose()

    async def _post_query(self, sql: str, params: Sequence[Any], accept: str) -> httpx.Response:
        found = await self._post("/query", {"sql": sql, "params": list(params)}, accept)
        if found is None:
            raise RecorderError(f"The recorder at {self._endpoint.api_url} has no query API")
        return found

    async def _post(self, path: str, body: Mapping[str, Any], accept: str) -> httpx.Response | None:
        """Return the answer to a request; None if the recorder does not know the path."""
        headers = {"accept": accept}
        try:
            response = await self._http.post(path, json=body, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            raise RecorderError(
                f"The recorder at {self._endpoint.api_url} does not answer: {error}",
                "Start `playhead record` again.",
            ) from error
        if response.status_code == 404:
            return None
        if response.status_code == 413:
            raise QueryLimitError(*_reason(response))
        if response.status_code == 400:
            raise QueryError(*_reason(response))
        if response.is_error:
            raise RecorderError(
                f"The recorder at {self._endpoint.api_url} answered {response.status_code}: "
                f"{_reason(response)[0]}"
            )
        return response


class RecorderAuth(httpx.Auth):
    """Signs requests to a recorder, and accepts answers of this recorder only.

    Raises:
        RecorderError: Another program answered.
    """

    def __init__(self, endpoint: RecorderEndpoint, token: str) -> None:
        """Keep the token, which is never sent."""
        self._endpoint = endpoint
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Send the signed request, and check the answer."""
        nonce = secrets.token_hex(16)
        signed = signature(self._token, nonce, request.method)
        request.headers["authorization"] = f"{SCHEME} {nonce} {signed}"
        response = yield request
        proved = response.headers.get(PROOF_HEADER, "").encode()
        if not hmac.compare_digest(proved, proof(self._token, nonce).encode()):
            if response.status_code == 503:  # answered before the signature was looked at
                raise RecorderError(
                    f"The recorder at {self._endpoint.api_url} is busy", "Try again in a moment."
                )
            raise RecorderError(
                f"The program at {self._endpoint.api_url} is not the recorder of this store",
                "Start `playhead record`.",
            )


def _client(endpoint: RecorderEndpoint, token: str) -> HttpClient:
    return HttpClient(
        base_url=endpoint.api_url,
        headers={CLIENT_HEADER: secrets.token_hex(8)},
        auth=RecorderAuth(endpoint, token),
        timeout=QUERY_SECONDS,
        trust_env=False,
        transport=PlainTransport(),
    )


def _rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a result. Raises QueryError or QueryLimitError if it has none."""
    if "error" in result:
        kind = QueryLimitError if result["status"] == 413 else QueryError
        raise kind(str(result["error"]), str(result.get("hint") or ""))
    rows: list[dict[str, Any]] = result["rows"]
    return rows


def _reason(response: httpx.Response) -> tuple[str, str]:
    """Return the title and the hint of the API's error."""
    try:
        document = response.json()
        return str(document["error"]), str(document.get("hint") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return response.text[:500], ""
