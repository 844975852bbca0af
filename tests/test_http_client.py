"""Closing a client at any moment of a request leaves no connection open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import time
from collections.abc import Generator
from typing import Any

import httpx
import pytest
from playhead import plain_http
from playhead.errors import UnreachableError
from playhead.http_client import HttpClient
from playhead.local import free_port
from playhead.plain_http import QUICK_ACKNOWLEDGMENT, PlainTransport
from playhead.restate.client import RestateClient


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if await reader.read(1000):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("kept", [0, 5])
@pytest.mark.parametrize("plain", [False, True])
async def test_a_client_that_closes_ends_its_requests(
    kept: int, cancelled: bool, plain: bool
) -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    limits = httpx.Limits(max_keepalive_connections=kept)
    closed = 0
    clients: list[HttpClient] = []
    for moment in range(30):
        transport = PlainTransport(keep=bool(kept)) if plain else None
        client = HttpClient(limits=limits, trust_env=False, verify=False, transport=transport)
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


class Server:
    """A server of raw answers, which counts connections."""

    def __init__(self, *answers: bytes, closes: bool = False) -> None:
        self.answers = list(answers)
        self.closes = closes
        self.connections = 0
        self.heads: list[bytes] = []
        self.served: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> Server:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.server.close()
        await self.server.wait_closed()
        await asyncio.gather(*self.served)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.served.append(task)
        while (head := await reader.read(100_000)) and self.answers:
            self.heads.append(head)
            answer = self.answers.pop(0)
            for part in answer.split(b"|"):
                writer.write(part)
                await asyncio.sleep(0.001)
            if self.closes or not answer:
                break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n|3\r\nabc\r\n|2\r\nde\r\n0\r\n\r\n"
SHORT = b"HTTP/1.1 100 Continue\r\n\r\n|HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy"


@pytest.mark.parametrize(("keep", "connections"), [(True, 1), (False, 2)])
async def test_plain_answers_arrive_whole_on_kept_and_on_new_connections(
    keep: bool, connections: int
) -> None:
    async with Server(CHUNKED, SHORT) as server:
        client = HttpClient(transport=PlainTransport(keep=keep))
        first = await client.post(f"{server.url}/query?a=b%20c", content=b"SELECT 1")
        assert (first.status_code, first.content) == (200, b"abcde")
        second = await client.get(server.url)
        assert (second.status_code, second.text) == (503, "busy")
        await client.aclose()
        assert server.connections == connections
        assert server.heads[0].startswith(b"POST /query?a=b%20c HTTP/1.1\r\n")
        assert server.heads[0].endswith(b"\r\n\r\nSELECT 1")


async def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    async with Server(CHUNKED, CHUNKED, closes=True) as server:
        client = HttpClient(transport=PlainTransport())
        for _ in range(2):
            assert (await client.get(server.url)).content == b"abcde"
            await asyncio.sleep(0.05)
        assert server.connections == 2
        await client.aclose()


async def test_a_query_is_sent_again_if_its_kept_connection_is_lost_and_a_change_is_not() -> None:
    """The server may close a connection at the moment at which the next request is sent."""
    query = b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"rows":[]}'
    change = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}"
    async with Server(query, query, b"", query, change, b"") as server:
        client = RestateClient(server.url)
        for _ in range(3):
            assert await client.query("SELECT 1") == []
        assert server.connections == 2, "the third query was sent twice"
        await client.change("PATCH", "/invocations/inv_1/kill")
        assert server.connections == 3, "a change has a connection of its own"
        transport = client._http._plain
        assert transport is not None
        kept = [len(kept) for kept in transport._kept.values()]
        with pytest.raises(UnreachableError):
            await client.change("PATCH", "/invocations/inv_1/kill")
        sent = [head.split(b" ", 1)[0] for head in server.heads]
        assert sent == [b"POST"] * 4 + [b"PATCH"] * 2, "a change was not sent twice"
        await client.close()
    assert kept == [1], "the connection of a change is not kept"


async def test_answers_on_a_kept_connection_are_not_delayed() -> None:
    """The server sends the second part of an answer when the first one is acknowledged."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nagle = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        writer.get_extra_info("socket").setsockopt(*nagle)
        served.append(asyncio.current_task())
        while await reader.read(100_000):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n")
            await asyncio.sleep(0)
            writer.write(b'{"rows":[]}')
        writer.close()
        await writer.wait_closed()

    served: list[asyncio.Task[Any] | None] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seconds: list[float] = []
    async with RestateClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        for _ in range(40):
            start = time.monotonic()
            assert await client.query("SELECT 1") == []
            seconds.append(time.monotonic() - start)
    assert min(seconds[20:]) < 0.03, "Linux delays acknowledgments by 40 ms"
    assert len(served) == (1 if QUICK_ACKNOWLEDGMENT else 40)
    await asyncio.gather(*filter(None, served))
    server.close()
    await server.wait_closed()


async def test_many_requests_at_a_time_leave_few_connections_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Server(*[SHORT] * 9) as server:
        transport = PlainTransport()
        client = HttpClient(transport=transport)
        await asyncio.gather(*(client.get(server.url) for _ in range(4)))
        assert [len(kept) for kept in transport._kept.values()] == [4]
        monkeypatch.setattr(plain_http, "KEPT_SECONDS", 0.3)
        for _ in range(5):
            await asyncio.sleep(0.1)
            await client.get(server.url)
        kept = [len(kept) for kept in transport._kept.values()]
        await client.aclose()
    assert kept == [1]


async def test_what_follows_an_answer_is_not_the_next_answer() -> None:
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
    async with Server(whole + b"11" + whole + b"22", whole + b"33") as server:
        client = HttpClient(transport=PlainTransport())
        texts = [(await client.get(server.url)).text for _ in range(2)]
        await client.aclose()
    assert texts == ["11", "33"]


def test_only_requests_that_read_may_be_sent_twice() -> None:
    client = RestateClient("http://localhost:9070", ingress_url="http://localhost:8080")

    def twice(method: str, url: str) -> bool:
        return client._only_reads(httpx.Request(method, url))

    assert twice("GET", "http://localhost:9070/deployments")
    assert twice("POST", "http://localhost:9070/query")
    assert not twice("POST", "http://localhost:9070/deployments")
    assert not twice("PATCH", "http://localhost:9070/invocations/inv_1/kill")
    assert not twice("GET", "http://localhost:8080/Greeter/greet"), "it calls a handler"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", httpx.RemoteProtocolError),
        (b"\x00\x01garbage\r\n\r\n", httpx.RemoteProtocolError),
    ],
)
async def test_plain_answers_that_are_none_raise_the_errors_of_httpx(
    answer: bytes, error: type[Exception]
) -> None:
    async with Server(answer, closes=True) as server:
        client = HttpClient(transport=PlainTransport())
        with pytest.raises(error):
            await client.get(server.url)
        await client.aclose()


async def test_plain_requests_time_out_and_name_a_refused_connection() -> None:
    async with Server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort") as server:
        client = HttpClient(transport=PlainTransport(), timeout=0.05)
        with pytest.raises(httpx.ReadTimeout):
            await client.get(server.url)
        with pytest.raises(httpx.ConnectError, match="Connection refused"):
            await client.get(f"http://localhost:{free_port()}")
        await client.aclose()


@pytest.mark.parametrize(
    ("head", "part", "error"),
    [
        (b"content-length: 99999999999", b"x" * 65536, httpx.ReadError),
        (b"transfer-encoding: chunked", b"8000\r\n" + b"x" * 32768 + b"\r\n", httpx.ReadError),
        (b"content-encoding: gzip\r\ncontent-length: 999", b"", httpx.RemoteProtocolError),
    ],
)
async def test_plain_answers_without_end_and_packed_ones_are_refused(
    head: bytes, part: bytes, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither fills the memory: the largest answer is known while it arrives."""
    monkeypatch.setattr("playhead.plain_http.MOST_BYTES", 1 << 20)
    asked: list[bytes] = []
    done = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while part:
                writer.write(part)
                await writer.drain()
        writer.close()
        done.set()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with HttpClient(transport=PlainTransport(), timeout=60, trust_env=False) as client:
        with pytest.raises(error, match=r"larger than|not asked for"):
            await client.get(url)
    assert b"accept-encoding: identity" in asked[0].lower()
    await done.wait()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("part", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: "])
async def test_a_plain_answer_that_never_ends_has_a_deadline(part: bytes) -> None:
    done = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(part)
            while True:
                writer.write(part if part.endswith(b"\n") else b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
        done.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with HttpClient(transport=PlainTransport(), timeout=0.3, trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(url)
    await done.wait()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("base", ["", "http://127.0.0.1:9", "http://127.0.0.1:9/path/"])
@pytest.mark.parametrize("url", ["/a b/ü?q=%20", "/changes?since=a-1", "http://h:3/query"])
@pytest.mark.parametrize(
    "options",
    [{}, {"json": {"a": 1}, "headers": {"Accept": "x/y"}}, {"content": b"abc", "timeout": 3},
     {"params": {"a": "b"}}, {"content": None, "timeout": None}],
)  # fmt: skip
def test_requests_to_a_plain_server_are_those_of_httpx(
    base: str, url: str, options: dict[str, Any]
) -> None:
    common: dict[str, Any] = {"base_url": base, "headers": {"Authorization": "Bearer t"}}
    made = [
        client.build_request("POST", url, **options)
        for client in (HttpClient(transport=PlainTransport(), **common),
                       httpx.AsyncClient(**common))
    ]  # fmt: skip
    plain, usual = made
    assert plain.url == usual.url
    assert plain.headers == usual.headers
    assert plain.extensions == usual.extensions
    assert plain.read() == usual.read()


class TwoSteps(httpx.Auth):
    """Signs a request after the server has asked for it."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        response = yield request
        assert response.request is request
        if response.status_code == 401:
            request.headers["authorization"] = "signed"
            yield request


async def test_a_plain_server_gets_the_signature_that_it_asks_for() -> None:
    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        signed = b"authorization: signed" in head or b"authorization: basic dtpw" in head
        writer.write(
            b"HTTP/1.1 %d X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            % (200 if signed else 401)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(ask, "127.0.0.1", 0)
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with HttpClient(transport=PlainTransport(), auth=TwoSteps(), trust_env=False) as client:
        assert (await client.get(f"http://{place}")).status_code == 200
    async with HttpClient(transport=PlainTransport(), trust_env=False) as client:
        assert (await client.get(f"http://u:p@{place}")).status_code == 200
        answer = await client.get(f"http://{place}")
        assert answer.status_code == 401
        with pytest.raises(httpx.HTTPStatusError):
            answer.raise_for_status()
    server.close()
    await server.wait_closed()
