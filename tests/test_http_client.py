"""Closing a client at any moment of a request leaves no connection open."""

from __future__ import annotations

import asyncio
import gc

import httpx
import pytest
from playhead.http_client import HttpClient
from playhead.local import free_port
from playhead.restate.client import RestateClient


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if await reader.read(1000):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("kept", [0, 5])
async def test_a_client_that_closes_ends_its_requests(kept: int, cancelled: bool) -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    limits = httpx.Limits(max_keepalive_connections=kept)
    closed = 0
    clients: list[HttpClient] = []
    for moment in range(30):
        client = HttpClient(limits=limits, trust_env=False, verify=False)
        clients.append(client)
        requests = [asyncio.create_task(client.get(url)) for _ in range(2)]
        for _ in range(moment):
            await asyncio.sleep(0)
        if cancelled:
            requests[0].cancel()
        await client.aclose()
        results = await asyncio.gather(*requests, return_exceptions=True)
        if cancelled and isinstance(results[0], BaseException):
            assert isinstance(results[0], asyncio.CancelledError | httpx.RequestError)
        for result in results[cancelled:]:
            if isinstance(result, BaseException):
                assert type(result) is httpx.RequestError
                assert str(result) == "the client was closed"
                closed += 1
    assert closed > 5
    with pytest.raises(httpx.RequestError, match="closed"):
        await clients[-1].get(url)
    clients.clear()
    gc.collect()  # pytest reports open connections
    server.close()
    await server.wait_closed()


async def test_failures_of_cancelled_queries_are_not_reported_by_asyncio() -> None:
    reports: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: reports.append(context["message"])
    )

    async def close_at(moment: int) -> None:
        client = RestateClient(f"http://127.0.0.1:{free_port()}")
        queries = [asyncio.create_task(client.query("SELECT 1")) for _ in range(2)]
        for _ in range(moment):
            await asyncio.sleep(0)
        queries[0].cancel()
        await client.close()
        await asyncio.gather(*queries, return_exceptions=True)

    for moment in range(20):
        await close_at(moment)
    gc.collect()
    assert reports == []
