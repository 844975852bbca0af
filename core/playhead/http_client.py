"""An httpx client that leaves no connection open when it is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

__all__ = ["HttpClient"]


class HttpClient(httpx.AsyncClient):
    """An httpx client whose `aclose` first ends the requests under way.

    httpx closes the connections that its pool has. One that is being opened, or whose request is
    under way, leaves the pool at that moment and stays open after its answer.
    """

    def __init__(self, **options: Any) -> None:
        """Create a client with httpx's options; nothing is sent yet."""
        super().__init__(**options)
        self._under_way: set[asyncio.Task[httpx.Response]] = set()
        self._ended = False

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request.

        Raises:
            httpx.RequestError: It failed, or the client was closed.
        """
        if self._ended:
            raise _closed(request)
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


def _closed(request: httpx.Request) -> httpx.RequestError:
    return httpx.RequestError("the client was closed", request=request)
