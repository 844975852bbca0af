"""An httpx client that leaves no connection open when it is closed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Generator
from typing import Any

import httpx

from playhead.plain_http import PlainTransport

__all__ = ["HttpClient"]

_SIMPLE = {"content", "json", "headers"}
"""Parts of a request that need nothing of the client."""


class HttpClient(httpx.AsyncClient):
    """An httpx client whose `aclose` first ends the requests under way.

    httpx closes the connections that its pool has. One that is being opened, or whose request is
    under way, leaves the pool at that moment and stays open after its answer.
    """

    def __init__(self, **options: Any) -> None:
        """Create a client with httpx's options; nothing is sent yet."""
        super().__init__(**options)
        transport = options.get("transport")
        self._plain = transport if isinstance(transport, PlainTransport) else None
        self._common = {name.lower(): value for name, value in self.headers.items()}
        self._under_way: set[asyncio.Task[httpx.Response]] = set()
        self._ended = False

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        """Return a request; one to a plain server without what httpx would look for in vain.

        Each time, httpx parses and joins addresses, and merges headers, cookies and parameters.
        """
        timeout = options.get("timeout", httpx.USE_CLIENT_DEFAULT)
        given = {name: value for name, value in options.items() if value is not None}
        given.pop("timeout", None)
        if self._plain is None or not isinstance(url, str) or given.keys() - _SIMPLE:
            return super().build_request(method, url, **options)
        headers: dict[str, str] = dict(given.pop("headers", {}))
        limits = self.timeout if timeout is httpx.USE_CLIENT_DEFAULT else httpx.Timeout(timeout)
        return httpx.Request(
            method,
            _address(self.base_url, url),
            headers={**self._common, **{k.lower(): v for k, v in headers.items()}},
            extensions={"timeout": limits.as_dict()},
            **given,
        )

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request.

        Raises:
            httpx.RequestError: It failed, or the client was closed.
        """
        if self._ended:
            raise _closed(request)
        usual = all(value is httpx.USE_CLIENT_DEFAULT for value in options.values())
        if self._plain and usual and not request.url.userinfo:
            task = asyncio.ensure_future(self._ask(request, self._plain))
        else:
            task = asyncio.ensure_future(super().send(request, **options))
        self._under_way.add(task)
        task.add_done_callback(self._forget)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if self._ended and not (current and current.cancelling()):
                raise _closed(request) from None
            raise

    async def _ask(self, request: httpx.Request, plain: PlainTransport) -> httpx.Response:
        """Send a request without looking for cookies, redirects, hooks and other transports."""
        flow = self.auth.auth_flow(request) if self.auth else _unsigned(request)
        request = next(flow)
        while True:
            try:
                response = await plain.handle_async_request(request)
            except httpx.RequestError as error:
                error.request = request
                raise
            response.request = request
            try:
                request = flow.send(response)
            except StopIteration:
                return response

    def _forget(self, task: asyncio.Task[httpx.Response]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # else asyncio reports it when the caller was cancelled meanwhile

    async def aclose(self) -> None:
        """End the requests under way, and close all connections."""
        self._ended = True
        tasks = set(self._under_way)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await super().aclose()


def _unsigned(request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
    yield request


@functools.lru_cache(maxsize=64)
def _address(base: httpx.URL, url: str) -> httpx.URL:
    """Return an address, which a path continues: most requests go to the same few."""
    return httpx.URL(str(base).rstrip("/") + url if url.startswith("/") else url)


def _closed(request: httpx.Request) -> httpx.RequestError:
    return httpx.RequestError("the client was closed", request=request)
