"""The query API: read-only SQL on the store, for clients of the same machine and user."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import math
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import duckdb
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from playhead.errors import (
    QueryError,
    QueryLimitError,
    QueryMemoryError,
    RequestBodyError,
    StoreError,
)
from playhead.record.change_feed import ChangeFeed
from playhead.record.endpoint import (
    CLIENT_HEADER,
    HOSTS,
    PROOF_HEADER,
    SCHEME,
    proof,
    signature,
)
from playhead.record.metrics import CONTENT_TYPE
from playhead.record.queries import statuses as query_statuses
from playhead.record.queries.batch import kept_batch, parse_batch, run_batch
from playhead.record.queries.large_response import SMALL, LargeResponse
from playhead.record.queries.request import parse_query, parse_search
from playhead.record.queries.single_query import SingleQuery
from playhead.record.queries.slots import QuerySlots
from playhead.record.request_body import read_body
from playhead.store.answers import Answer, AnswerSpace
from playhead.store.database import Store
from playhead.store.kept_queries import FOLLOWING
from playhead.store.query_limits import Limits, make_room
from playhead.store.texts.index import Found
from playhead.store.upkeep import perform

__all__ = ["app"]

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
BODY_LIMIT = 8 * 1024 * 1024
LARGE_BODY = 64 * 1024
"""Size from which a query is parsed beside the event loop."""
MEMORY_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.4)
"""Pauses before a query is tried again because there was no memory for it."""
MEMORY_SECONDS = 0.5
"""Time after which a query that has no memory has used it up itself; it is not tried again."""
MOST_TEXTS = 50
MOST_CHARACTERS = 5_000
"""Number and length of all texts of a search that the index looks up."""
LONGEST_WAIT = 30.0
"""Seconds that a request for changes may wait."""


class Settled(Protocol):
    """Waits until the store has every acknowledged span; returns whether it does."""

    async def __call__(
        self, timeout: float | None = None, *, crowded: Callable[[], bool] = bool
    ) -> bool: ...


_Handler = Callable[[Request], Awaitable[Response]]


def app(
    store: Store,
    token: str,
    health: Callable[[], dict[str, Any]],
    limits: Limits,
    feed: ChangeFeed,
    settled: Settled,
    reading: Callable[[], contextlib.AbstractContextManager[None]],
    metrics: Callable[[], bytes],
    search: Callable[[Sequence[str], int | None, int], Found | None],
) -> Starlette:
    """Return the API. Requests need the token or a signature made with it, except /healthz.

    The header is `authorization: Bearer {token}`, or `Playhead {nonce} {signature}`; the answer to
    a signature has a proof that this is the recorder (see `playhead.record.endpoint`).

    Args:
        store: The store to query.
        token: The shared secret.
        health: Returns the answer of `GET /health`.
        limits: Limits of one query.
        feed: Changes of the store, for `GET /changes`.
        settled: Waits until the store has every acknowledged span; see `Ingest.settled`.
        reading: Called for each query, which runs within the context.
        metrics: Returns the text of `GET /metrics`.
        search: Looks up texts for `POST /search`; see `TextIndexer.search`.
    """
    slots = QuerySlots()
    space = AnswerSpace()

    async def complete(wait: str | None, queries: Iterable[str]) -> bool:
        """Wait for commits as a request asks; return whether the store has all spans.

        Raises:
            ValueError: The time is not a number.
        """
        if wait:
            return await settled(_seconds(wait))
        if all(sql in FOLLOWING for sql in queries):
            return await settled(0.0)
        return await settled(None, crowded=lambda: slots.has_slow)

    async def query(request: Request) -> Response:
        try:
            body = await read_body(request, BODY_LIMIT)
            is_large = len(body) > LARGE_BODY
            sql, params = (
                await asyncio.to_thread(parse_query, body) if is_large else parse_query(body)
            )
        except RequestBodyError as error:
            return _error(error.status, error.title)
        try:
            has_all = await complete(request.headers.get("playhead-wait"), [sql])
        except ValueError:
            return _error(400, "playhead-wait must be a number of seconds")
        as_json = JSON in request.headers.get("accept", "")
        single = SingleQuery(store, sql, params, limits)
        client = request.headers.get(CLIENT_HEADER, "")
        answer_headers = {"playhead-complete": "true" if has_all else "false"}
        if as_json and (kept := single.kept()) is not None:  # a thread would take longer
            return Response(kept, headers=answer_headers, media_type=JSON)
        return await answer(
            request, client, answer_headers, JSON if as_json else ARROW,
            single.write_json if as_json else single.write_arrow,
        )  # fmt: skip

    async def answer(
        request: Request,
        client: str,
        headers: dict[str, str],
        kind: str,
        run: Callable[[threading.Event, Answer], None],
    ) -> Response:
        """Run queries in a thread, and return their answer."""

        def made(gone: threading.Event) -> Answer:
            found = Answer(space)
            try:
                run(gone, found)
                if gone.is_set():  # nobody waits for it, and nobody would free it
                    raise QueryLimitError("The client closed the connection")
            except BaseException:
                found.free()
                raise
            return found

        async def content() -> Answer:
            async with slots.take(client), _disconnection(request) as gone:
                with reading():
                    return await slots.run(partial(made, gone))

        try:
            found = await _again(content, store.recover)
        except QueryLimitError as error:
            if isinstance(error, QueryMemoryError):
                slots.note_memory(client, is_enough=False)
            return _error(413, error.title, error.hint)
        except QueryError as error:
            return _error(query_statuses.status(error), error.title, error.hint)
        except StoreError as error:
            return _error(503, error.title, error.hint)
        slots.note_memory(client, is_enough=True)
        if found.size > SMALL:
            return LargeResponse(found, headers, kind)
        return Response(found.whole(), headers=headers, media_type=kind)

    async def query_batch(request: Request) -> Response:
        try:
            body = await read_body(request, BODY_LIMIT)
            is_large = len(body) > LARGE_BODY
            queries = await asyncio.to_thread(parse_batch, body) if is_large else parse_batch(body)
            texts = [one.sql for one in queries]
            has_all = await complete(request.headers.get("playhead-wait"), texts)
        except RequestBodyError as error:
            return _error(error.status, error.title)
        except ValueError:
            return _error(400, "playhead-wait must be a number of seconds")
        client = request.headers.get(CLIENT_HEADER, "")
        answer_headers = {"playhead-complete": "true" if has_all else "false"}
        with reading():
            kept = kept_batch(store, queries, health)
        if kept is not None:  # a thread would take longer
            return Response(kept, headers=answer_headers, media_type=JSON)
        return await answer(
            request, client, answer_headers, JSON,
            lambda gone, answer: run_batch(store, queries, limits, gone, health, answer),
        )  # fmt: skip

    async def look_up(request: Request) -> Response:
        try:
            body = await read_body(request, BODY_LIMIT)
            texts, until_us, limit = await asyncio.to_thread(parse_search, body)
        except RequestBodyError as error:
            return _error(error.status, error.title)
        if len(texts) > MOST_TEXTS or sum(map(len, texts)) > MOST_CHARACTERS:
            return JSONResponse({"ids": None})  # reading everything costs less
        await settled(None)
        found = await asyncio.to_thread(search, texts, until_us, limit)
        if found is None:
            return JSONResponse({"ids": None})
        return JSONResponse({"ids": found.ids, "floor_us": found.floor_us})

    async def show_health(_: Request) -> Response:
        document = await asyncio.to_thread(health)
        return JSONResponse(document | {"queries": slots.taken})

    async def upkeep(request: Request) -> Response:
        try:
            task: Any = json.loads(await read_body(request, BODY_LIMIT))
            return JSONResponse(await asyncio.to_thread(perform, store, task))
        except RequestBodyError as error:
            return _error(error.status, error.title)
        except StoreError as error:
            return _error(409, error.title, error.hint)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return _error(400, f"not a task: {error}")
        except duckdb.Error as error:
            return _error(500, f"the task failed: {error}")

    async def show_metrics(_: Request) -> Response:
        text = await asyncio.to_thread(metrics)
        return Response(text, media_type=CONTENT_TYPE)

    async def alive(_: Request) -> Response:
        try:
            await asyncio.to_thread(store.check)
        except Exception as error:
            return Response(f"the store cannot be read: {error}\n", 503, media_type="text/plain")
        return Response("ok\n", media_type="text/plain")

    async def changes(request: Request) -> Response:
        try:
            seconds = _seconds(request.query_params.get("wait", "0"))
        except ValueError:
            return _error(400, "wait must be a number of seconds")
        found = await feed.wait(request.query_params.get("since"), seconds)
        return JSONResponse(found.document())

    return Starlette(
        routes=[
            Route("/query", _guarded(query, token), methods=["POST"]),
            Route("/queries", _guarded(query_batch, token), methods=["POST"]),
            Route("/search", _guarded(look_up, token), methods=["POST"]),
            Route("/health", _guarded(show_health, token), methods=["GET"]),
            Route("/changes", _guarded(changes, token), methods=["GET"]),
            Route("/metrics", _guarded(show_metrics, token), methods=["GET"]),
            Route("/store", _guarded(upkeep, token), methods=["POST"]),
            Route("/healthz", alive, methods=["GET"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS[:2], www_redirect=False)],
    )


async def _again(read: Callable[[], Awaitable[Answer]], recover: Callable[[], None]) -> Answer:
    """Run a query; try it again when others took the memory, or when the database has failed.

    From the second time on, a long query is ended for it. Without memory for a commit, DuckDB
    gives up the database, which is then opened again.

    Args:
        read: Runs the query.
        recover: Opens a failed database again; see `Store.recover`.
    """
    for number, pause in enumerate(MEMORY_PAUSES):
        began = time.monotonic()
        try:
            return await read()
        except (QueryMemoryError, StoreError) as error:
            if time.monotonic() - began > MEMORY_SECONDS:
                raise
            if isinstance(error, StoreError):
                with contextlib.suppress(StoreError):  # other queries still hold it open
                    await asyncio.to_thread(recover)
            elif number:
                make_room()
        await asyncio.sleep(pause)
    return await read()


@contextlib.asynccontextmanager
async def _disconnection(request: Request) -> AsyncGenerator[threading.Event]:
    """Yield an event that is set when the client closes the connection within the block."""
    gone = threading.Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watching = asyncio.create_task(watch())
    try:
        yield gone
    finally:
        watching.cancel()
        gone.set()  # also when the recorder stops before the query has ended


def _guarded(handler: _Handler, token: str) -> _Handler:
    expected = f"Bearer {token}".encode()

    async def guarded(request: Request) -> Response:
        sent = request.headers.get("authorization", "")
        scheme, _, signed = sent.partition(" ")
        nonce, _, mac = signed.partition(" ")
        is_signed = scheme == SCHEME and hmac.compare_digest(
            mac.encode(), signature(token, nonce, request.method).encode()
        )
        if not is_signed and not hmac.compare_digest(sent.encode(), expected):
            return _error(401, "send the bearer token of this store (recorder.token)")
        response = await handler(request)
        if is_signed:
            response.headers[PROOF_HEADER] = proof(token, nonce)
        return response

    return guarded


def _seconds(text: str) -> float:
    """Return a time to wait. Raises ValueError if the text is not a number."""
    seconds = float(text)
    if math.isnan(seconds):
        raise ValueError(text)
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _error(status: int, title: str, hint: str = "") -> Response:
    return JSONResponse({"error": title, "hint": hint}, status)
