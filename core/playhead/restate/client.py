"""Restate's admin API over HTTP: SQL queries and REST calls."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import httpx

from playhead.errors import (
    NotFoundError,
    QueryFailedError,
    RefusedError,
    RestateError,
    UnansweredChangeError,
    UnauthorizedError,
    UnreachableError,
)
from playhead.http_client import HttpClient
from playhead.plain_http import QUICK_ACKNOWLEDGMENT, PlainTransport
from playhead.retries import retry_after
from playhead.settings import require_header_token
from playhead.values import as_dict

__all__ = ["RestateClient", "answer_error", "cluster_name", "connection_error"]

TIMEOUT = 10.0
WHOLE_ANSWERS = 3.0
"""Seconds for a whole answer, as a multiple of the time between two parts of it."""
PROBE_SECONDS = 0.5
"""Pause between two questions whether the server answers at all, while a request waits."""
PROBE_TIMEOUT = 1.5
GONE_PROBE_SECONDS, GONE_PROBE_TIMEOUT = 0.25, 1.0
"""The same while the server is gone, so that its return is noticed sooner."""
LOST_PROBES = 2
"""Questions without an answer after which the server counts as gone."""
RETRIES = 5
DEFAULT_CLUSTER = "localcluster"
"""Name of a cluster that has not been given one."""
CLUSTER_SECONDS = 5.0
FIRST_BACKOFF = 0.1
MAX_BACKOFF = 1.0

_ERROR_NUMBER = re.compile(r"^\[Errno -?\d+\] ")


class _BackError(TimeoutError):
    """The server was gone and answers again, but not this request."""


class RestateClient:
    """A client of one Restate server's admin API, and of its ingress for awakeables.

    Changes open new connections, as they cannot be sent again if a kept one is lost. So do all
    requests to other machines: on a kept connection, Nagle's algorithm and delayed acknowledgments
    stall each query for about 40 ms. Reads of a server on this machine use connections again where
    the system can acknowledge at once.
    """

    def __init__(
        self,
        admin_url: str,
        *,
        ingress_url: str | None = None,
        auth_token: str | None = None,
        timeout: float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Create a client; nothing is sent yet.

        Args:
            admin_url: Base URL of the admin API.
            ingress_url: Base URL of the ingress.
            auth_token: Bearer token of both.
            timeout: Seconds that the server may be silent within one request; the whole answer may
                take three times as long.
            transport: HTTP transport, for tests.
            sleep: Waits between attempts while the server limits requests.
        """
        self.admin_url = admin_url.rstrip("/")
        self.ingress_url = ingress_url.rstrip("/") if ingress_url else None
        self._sleep = sleep
        self._timeout = timeout
        self._waiting: dict[object, float] = {}
        self._cluster: tuple[str, float] | None = None
        self._answered_at: float | None = None
        self._gone = False
        """Whether the server has not answered for a while."""
        if auth_token:
            require_header_token(auth_token, "auth_token")
        headers = {"authorization": f"Bearer {auth_token}"} if auth_token else {}
        secure = any(url.startswith("https:") for url in (admin_url, ingress_url or ""))
        local = self.admin_url.startswith(("http://127.", "http://localhost"))
        if transport is None and local and not secure:
            transport = PlainTransport(keep=QUICK_ACKNOWLEDGMENT, repeatable=self._only_reads)
        self._http = HttpClient(
            headers=headers,
            timeout=timeout,
            transport=transport,
            limits=httpx.Limits(max_keepalive_connections=0),
            # Loading the machine's certificates takes longer than a query.
            verify=secure,
            trust_env=not local,
        )

    def _only_reads(self, request: httpx.Request) -> bool:
        """Return whether a request changes nothing, so that it may be sent twice."""
        url = str(request.url)  # a handler can be called with GET, at the ingress
        read = request.method == "GET" and url.startswith(f"{self.admin_url}/")
        return read or url == f"{self.admin_url}/query"

    async def __aenter__(self) -> RestateClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @property
    def waiting_seconds(self) -> float:
        """Age of the oldest request that has no whole answer yet; 0 without one."""
        now = time.monotonic()
        return now - min(self._waiting.values(), default=now)

    @property
    def answered_seconds(self) -> float:
        """Seconds since the last query was answered; infinite before that."""
        return math.inf if self._answered_at is None else time.monotonic() - self._answered_at

    async def query(self, sql: str) -> list[dict[str, Any]]:
        """Run a query and return its rows, from JSON.

        Binary columns are hex text and times ISO 8601 text. A row has no key for a NULL column.

        Raises:
            RestateError: UnreachableError, UnauthorizedError or QueryFailedError.
        """
        response = await self._query(sql, "application/json")
        try:
            rows: list[dict[str, Any]] = json.loads(response.content)["rows"]
        except (ValueError, KeyError, TypeError) as error:
            raise QueryFailedError(
                f"The answer of {self.admin_url} to a query has no rows",
                "Is this Restate's admin API (port 9070 by default)?",
            ) from error
        self._answered_at = time.monotonic()
        return rows

    async def query_arrow(self, sql: str) -> Any:
        """Run a query and return its rows as a pyarrow Table, for journals in bulk.

        Raises:
            RestateError: UnreachableError, UnauthorizedError or QueryFailedError.
        """
        import pyarrow

        pa: Any = pyarrow

        response = await self._query(sql, "application/vnd.apache.arrow.stream")
        try:
            with pa.ipc.open_stream(response.content) as reader:
                return reader.read_all()
        except pa.ArrowInvalid as error:
            raise QueryFailedError(
                f"The answer of {self.admin_url} to a query is not an Arrow stream: {error}"
            ) from error

    async def cluster(self, *, fresh: bool = False) -> str:
        """Return the name of the server's cluster, as of some seconds ago.

        The name is unique among the clusters of one store: Restate's default name is followed by
        the server's address, and a server without `/cluster-health` has its address.

        Args:
            fresh: Whether to ask now: another server may answer at the same address.

        Raises:
            RestateError: UnreachableError.
        """
        now = time.monotonic()
        if self._cluster is None or fresh or now - self._cluster[1] > CLUSTER_SECONDS:
            try:
                document = await self.get("/cluster-health")
            except (NotFoundError, RefusedError, UnauthorizedError):
                document = None
            self._cluster = (cluster_name(document, self.admin_url), now)
        return self._cluster[0]

    async def get(self, path: str) -> Any:
        """Return the JSON document at a path of the admin API. Raises RestateError."""
        return _json(await self.send("GET", self.admin_url + path))

    async def change(self, method: str, path: str, body: Any = None) -> Any:
        """Send a change to the admin API; return the JSON of the answer, or None.

        Raises:
            RestateError: NotFoundError, RefusedError, UnreachableError or UnauthorizedError.
        """
        return _json(await self.send(method, self.admin_url + path, body=body))

    async def send(
        self,
        method: str,
        url: str,
        *,
        body: Any = None,
        text: str | None = None,
        content: bytes | None = None,
        content_type: str | None = None,
        accept: str = "application/json",
    ) -> httpx.Response:
        """Send one request, and repeat it while the server limits requests (429).

        The loop is written by hand because stamina cannot take `sleep` from the caller, and logs
        every retry.

        Args:
            method: The HTTP method.
            url: The whole URL.
            body: A value to send as JSON; None for no body.
            text: Plain text to send instead.
            content: Bytes to send instead.
            content_type: Content type of these bytes.
            accept: Content type that the answer is wanted in.

        Raises:
            RestateError: The server does not answer, or answers with an error.
        """
        if text is not None:
            content, content_type = text.encode(), "text/plain"
        elif body is not None:
            content, content_type = json.dumps(body).encode(), "application/json"
        backoff = FIRST_BACKOFF
        for _ in range(RETRIES):
            response = await self._request(method, url, content, content_type, accept)
            if response.status_code != 429:
                break
            await self._sleep(min(retry_after(response) or backoff, MAX_BACKOFF))
            backoff = min(2 * backoff, MAX_BACKOFF)
        else:
            response = await self._request(method, url, content, content_type, accept)
        if response.is_error:
            raise answer_error(response)
        return response

    async def _request(
        self,
        method: str,
        url: str,
        content: bytes | None,
        content_type: str | None,
        accept: str,
    ) -> httpx.Response:
        headers = {"accept": accept, **({"content-type": content_type} if content_type else {})}

        def start() -> asyncio.Task[httpx.Response]:
            sending = self._http.request(method, url, headers=headers, content=content)
            return asyncio.ensure_future(sending)

        changes = method != "GET" and url != f"{self.admin_url}/query"

        def failed(error: Exception) -> UnreachableError:
            never_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL)
            if changes and not isinstance(error, never_sent):
                return unanswered(url, _reason_of(error))
            return connection_error(url, error)

        try:
            return await self._whole_answer(start())
        except _BackError as error:
            # A change may have been made.
            if changes:
                raise unanswered(url, ": it was started again meanwhile") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise failed(error) from error
        try:
            return await self._whole_answer(start())
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise failed(error) from error

    async def _whole_answer(self, request: asyncio.Task[httpx.Response]) -> httpx.Response:
        self._waiting[request] = time.monotonic()
        try:
            # The client's own limit starts again with each byte.
            async with asyncio.timeout(WHOLE_ANSWERS * self._timeout):
                await self._answered(request)
            response = request.result()
            self._gone = False
            return response
        finally:
            del self._waiting[request]
            if not request.done():
                request.cancel()
                await asyncio.wait({request})
            if request.done() and not request.cancelled():
                request.exception()  # else asyncio reports it when a cancelled caller does not

    async def _answered(self, request: asyncio.Task[httpx.Response]) -> None:
        """Wait for an answer.

        A server that was gone and answers again has forgotten the requests of before: waiting for
        their answers would show old data long after it is back.

        Raises:
            _BackError: The server was gone and is back.
        """
        lost = LOST_PROBES if self._gone else 0
        while not (await asyncio.wait({request}, timeout=self._probe_pause))[0]:
            if not await self._answers():
                lost += 1
                self._gone |= lost >= LOST_PROBES
            elif lost >= LOST_PROBES and not request.done():
                raise _BackError
            else:
                lost = 0

    @property
    def _probe_pause(self) -> float:
        return GONE_PROBE_SECONDS if self._gone else PROBE_SECONDS

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(GONE_PROBE_TIMEOUT if self._gone else PROBE_TIMEOUT):
                await self._http.get(f"{self.admin_url}/health")
        except (httpx.HTTPError, OSError):
            return False
        self._gone = False
        return True

    async def _query(self, sql: str, accept: str) -> httpx.Response:
        try:
            return await self.send(
                "POST", f"{self.admin_url}/query", body={"query": sql}, accept=accept
            )
        except (NotFoundError, RefusedError) as error:
            # The ingress and other HTTP servers do not know the path.
            if isinstance(error, NotFoundError) or error.title == "bad path: /query":
                raise QueryFailedError(
                    f"{self.admin_url} is not the admin API of a Restate server",
                    "Set RESTATE_ADMIN_URL to its admin API, which has port 9070 by default.",
                ) from error
            raise QueryFailedError(
                f"Restate could not run a query: {error.title}", error.hint
            ) from error


def cluster_name(document: Any, url: str) -> str:
    """Return the name of a cluster, with its address if the name does not tell it from others.

    Args:
        document: Answer to `/cluster-health`; None if the server refused it.
        url: Base URL of the admin API.
    """
    found = as_dict(document).get("cluster_name")
    name = found if isinstance(found, str) else ""
    if name not in ("", DEFAULT_CLUSTER):
        return name
    parts = httpx.URL(url)
    host = "localhost" if parts.host in ("127.0.0.1", "::1") else parts.host
    address = host if parts.port is None else f"{host}:{parts.port}"
    return f"{name}@{address}" if name else address


def unanswered(url: str, reason: str) -> UnansweredChangeError:
    """Return the error to raise when a change was sent to `url`, and its answer is missing."""
    return UnansweredChangeError(
        f"Restate at {_base(url)} did not answer{reason}",
        "The change may have been made: look before you send it again.",
    )


def _reason_of(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return " in time"
    return f": {_ERROR_NUMBER.sub('', str(error)) or type(error).__name__}"


def connection_error(url: str, error: Exception) -> UnreachableError:
    """Return the error to raise when a request to `url` got no answer."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return UnreachableError(
            f"Restate at {url} did not answer in time", "It may be overloaded: see its log."
        )
    return UnreachableError(
        f"No Restate server answers at {_base(url)}: {_ERROR_NUMBER.sub('', str(error))}",
        "Start restate-server, or set RESTATE_ADMIN_URL to its admin API.",
    )


def answer_error(response: httpx.Response) -> RestateError:
    """Return the error to raise for a response with a status of 400 or above."""
    where = str(response.request.url)
    reason = _reason(response)
    if response.status_code in (401, 403):
        return UnauthorizedError(
            f"{where} refused the token ({response.status_code})",
            "Set RESTATE_AUTH_TOKEN to an API key of this server.",
        )
    if response.status_code == 404:
        return NotFoundError(reason or f"{where} does not exist")
    if response.status_code == 429:
        return UnreachableError(f"{where} limits requests", "Try again later.")
    if response.status_code in (502, 503, 504):
        return UnreachableError(f"{where} is not ready: {reason}", "Try again in a moment.")
    return RefusedError(reason or f"{where} answered {response.status_code}")


def _json(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content) if response.content else None
    except ValueError:
        return None


def _reason(response: httpx.Response) -> str:
    try:
        document: Any = json.loads(response.content)
    except ValueError:
        return response.text[:500].strip()
    if isinstance(document, dict) and "message" in document:
        return str(cast("dict[str, Any]", document)["message"])
    return response.text[:500].strip()


def _base(url: str) -> str:
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode(errors='replace')}"
