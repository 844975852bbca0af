"""Queries of a client that start at the same moment share a request.

A request costs both sides about a millisecond of processor time, as much as many a query.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

__all__ = ["SharedRequests", "are_shared", "together"]

MOST_QUERIES = 20
"""Queries of one request, as many as the recorder accepts."""
_shared: ContextVar[bool] = ContextVar("shared", default=False)

_Query = Mapping[str, Any]
_Result = Mapping[str, Any]


@contextlib.contextmanager
def together() -> Generator[None]:
    """Let the queries that start at the same moment within the block share a request.

    They end together, so it is for queries whose results are needed together.
    """
    token = _shared.set(True)
    try:
        yield
    finally:
        _shared.reset(token)


def are_shared() -> bool:
    """Return whether the caller is within `together`."""
    return _shared.get()


@dataclass
class _Request:
    queries: list[_Query] = field(default_factory=list[_Query])
    answers: list[asyncio.Future[Sequence[_Result]]] = field(
        default_factory=list["asyncio.Future[Sequence[_Result]]"]
    )
    task: asyncio.Task[None] | None = None


class SharedRequests:
    """Collects the queries of one moment."""

    def __init__(self, send: Callable[[Sequence[_Query]], Awaitable[Sequence[_Result]]]) -> None:
        """Take a function that sends queries, and returns a result for each."""
        self._send = send
        self._next = _Request()

    async def ask(self, *queries: _Query) -> Sequence[_Result]:
        """Return the results of queries, together with others that are asked at this moment.

        Args:
            queries: Each may have `ids_of`, the place of an earlier one of these queries.
        """
        if len(self._next.queries) + len(queries) > MOST_QUERIES:
            self._next = _Request()
        request = self._next
        first = len(request.queries)
        request.queries += [
            {**query, "ids_of": query["ids_of"] + first} if "ids_of" in query else query
            for query in queries
        ]
        answer: asyncio.Future[Sequence[_Result]] = asyncio.get_running_loop().create_future()
        request.answers.append(answer)
        if request.task is None:
            request.task = asyncio.create_task(self._run(request))
        try:
            results = await answer
        except asyncio.CancelledError:
            if all(one.done() for one in request.answers):
                request.task.cancel()  # no request waits for the answer any more
            raise
        return results[first : first + len(queries)]

    async def _run(self, request: _Request) -> None:
        for _ in range(2):  # tasks that were created with the first query start, and theirs
            await asyncio.sleep(0)
        if self._next is request:
            self._next = _Request()
        try:
            results = await self._send(request.queries)
        except BaseException as error:
            for answer in request.answers:
                if not answer.done():
                    if isinstance(error, asyncio.CancelledError):
                        answer.cancel()
                    else:
                        answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for answer in request.answers:
                if not answer.done():
                    answer.set_result(results)
