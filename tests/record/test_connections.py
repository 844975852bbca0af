"""Clients that connect and send nothing, or send slowly: they keep nobody else out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator

import pytest
from playhead.record import http_server, request_body
from playhead.record.endpoint import read_token
from playhead.record.recorder import Recorder
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from waiting import until_async

from otlp import PROTOBUF, client, post, request  # isort: skip

SILENT = 300
HALF_HEAD = b"POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\n"
GET = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connections(port: int, number: int, sent: bytes) -> AsyncGenerator[list[Stream]]:
    opened: list[Stream] = []
    for _ in range(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        opened.append((reader, writer))
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


async def closed(streams: list[Stream]) -> int:
    """Return how many of them the server has closed."""
    await asyncio.sleep(0)
    return sum(reader.at_eof() for reader, _ in streams)


async def test_answers_do_not_wait_for_acknowledgments() -> None:
    delays: asyncio.Queue[int] = asyncio.Queue()

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        delays.put_nowait(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    sock = http_server.listen(0)
    async with await asyncio.start_server(accept, sock=sock):
        _, writer = await asyncio.open_connection(*sock.getsockname())
        assert await delays.get() == 1
        writer.close()


@pytest.mark.parametrize("sent", [b"", HALF_HEAD])
async def test_silent_connections_keep_nobody_out(recorder: Recorder, sent: bytes) -> None:
    ports = recorder.endpoint.otlp_http_port, recorder.endpoint.api_port
    headers = {"authorization": f"Bearer {read_token(recorder.store.folder)}"}
    async with contextlib.AsyncExitStack() as stack:
        for port in ports:
            await stack.enter_async_context(connections(port, SILENT, sent))
        assert (await post(recorder, request(7).SerializeToString())).status_code == 200
        async with client() as http:
            answer = await http.post(
                f"{recorder.endpoint.api_url}/query",
                json={"sql": "SELECT count(*) AS n FROM spans"},
                headers={**headers, "accept": "application/json"},
            )
        assert answer.json() == {"rows": [{"n": 7}]}


async def test_a_burst_of_silent_connections_keeps_nobody_out(recorder: Recorder) -> None:
    """They are all accepted before the first of them can be closed."""
    address = "127.0.0.1", recorder.endpoint.otlp_http_port
    with contextlib.ExitStack() as stack:
        for _ in range(SILENT + 100):
            silent = stack.enter_context(socket.create_connection(address))
            silent.sendall(HALF_HEAD)
        for seed in range(5):
            answer = await post(recorder, request(7, seed=seed).SerializeToString())
            assert answer.status_code == 200


async def test_a_kept_connection_survives_until_its_place_is_needed(recorder: Recorder) -> None:
    port = recorder.endpoint.otlp_http_port
    async with client() as http:

        async def send() -> None:
            response = await http.post(
                f"http://127.0.0.1:{port}/v1/traces",
                content=request(1).SerializeToString(),
                headers={"content-type": PROTOBUF},
            )
            assert response.status_code == 200

        await send()
        async with connections(port, SILENT, b"") as silent:
            await send()  # on a new connection, if the first one was closed
            want = SILENT + 1 - http_server.CONNECTIONS
            await until_async(lambda: _at_least(silent, want - 1), "the idlest ones are closed")
        await send()


async def _at_least(streams: list[Stream], number: int) -> bool:
    return await closed(streams) >= number


async def test_a_head_that_does_not_arrive_ends_the_connection(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.2)
    port = recorder.endpoint.otlp_http_port
    for sent in (b"", HALF_HEAD):
        async with connections(port, 3, sent) as streams:
            await until_async(lambda streams=streams: _at_least(streams, 3), "all are closed")


async def test_a_head_that_stops_after_an_answer_ends_the_connection(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.2)
    async with connections(recorder.endpoint.otlp_http_port, 1, b"") as [(reader, writer)]:
        writer.write(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"404" in head
        writer.write(HALF_HEAD)
        await asyncio.wait_for(reader.read(), 20)
        assert reader.at_eof()


async def test_a_body_that_does_not_arrive_is_answered(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "BODY_SECONDS", 0.2)

    head = HALF_HEAD + f"content-type: {PROTOBUF}\r\ncontent-length: 100\r\n\r\n".encode()
    async with connections(recorder.endpoint.otlp_http_port, 1, head + b"\n") as [(reader, _)]:
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 20)


async def test_bodies_of_answered_requests_are_read_slowly(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = http_server._Connection
    monkeypatch.setattr(connection, "_unread_until", 0.0)
    monkeypatch.setattr(http_server, "UNREAD_BYTES", 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", recorder.endpoint.otlp_http_port)
    writer.write(HALF_HEAD)
    writer.write(f"content-type: {PROTOBUF}\r\ncontent-length: 60000000\r\n\r\n".encode())
    assert b" 413 " in await reader.readline()
    writer.write(bytes(30_000_000))
    now = asyncio.get_running_loop().time()
    await until_async(lambda: connection._unread_until > now + 1000)
    assert (await post(recorder, request(1).SerializeToString())).status_code == 200
    writer.transport.abort()


async def test_a_server_without_requests_neither_wakes_up_nor_waits_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", noted)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("fine")(scope, receive, send)

    sock = http_server.listen(0)
    async with connections(sock.getsockname()[1], 2, GET) as [one, other]:
        server = http_server.HttpServer(app, sock)
        running = asyncio.create_task(server.run_on_socket())
        assert (await one[0].readuntil(b"fine")).startswith(b"HTTP/1.1 200")
        await other[0].readuntil(b"fine")
        server.stop()
        await running
        assert not any(pauses)
        assert await one[0].read() == b""  # the connection was kept open until then


async def test_a_server_that_stops_finishes_its_requests() -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await finish.wait()
        await PlainTextResponse("fine")(scope, receive, send)

    sock = http_server.listen(0)
    async with connections(sock.getsockname()[1], 1, GET) as [(reader, _)]:
        server = http_server.HttpServer(app, sock)
        running = asyncio.create_task(server.run_on_socket())
        await begun.wait()
        server.stop()
        await until_async(lambda: refuses(sock), "the server accepts no more connections")
        finish.set()
        assert (await reader.read()).endswith(b"fine")
        await running


async def refuses(sock: socket.socket) -> bool:
    return sock.fileno() == -1
