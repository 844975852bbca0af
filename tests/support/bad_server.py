"""A proxy in front of a real Restate server that misbehaves when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

__all__ = ["BadServer"]

ANSWERS = {
    "refuse": b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}",
    "limit": b"HTTP/1.1 429 Too Many\r\nretry-after: nan\r\ncontent-length: 0\r\n\r\n",
    "endless": b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n",
    "garbage": b"\x00\x1b]0;title\x07 not HTTP\r\n\r\n",
    "no rows": b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull",
    "error page": b"HTTP/1.1 500 Oops\r\ncontent-length: 9\r\n\r\n\x1b[2J\x9b2J<",
}


class BadServer:
    """`mode` is `pass`, `hang`, `drip`, `cut`, `close`, or a name in ANSWERS."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._tasks: set[asyncio.Task[Any]] = set()
        self.mode = "pass"
        self.port = 0

    async def __aenter__(self) -> BadServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self._answer(reader, writer)
        self._tasks.discard(task)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mode = self.mode
        if mode == "close":
            return
        if mode == "hang":
            await asyncio.Event().wait()
        if mode in ANSWERS:
            await reader.read(1 << 16)
            writer.write(ANSWERS[mode])
            await writer.drain()
            if mode == "endless":
                await asyncio.Event().wait()
            return
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
        up = asyncio.create_task(_copy(reader, to_writer))
        try:
            if mode == "drip":
                await _drip(to_reader, writer)
            elif mode == "cut":
                writer.write(await to_reader.read(150))
                await writer.drain()
            else:
                await _copy(to_reader, writer)
        finally:
            up.cancel()
            to_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1):
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.2)
