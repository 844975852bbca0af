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
    """`mode` is `pass`, `hang`, `drip`, `cut`, `close`, or a name in ANSWERS.

    A new mode also applies to connections that are open.
    """

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
        await asyncio.sleep(0.01)  # A connection that was accepted last has no task yet.
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
        if self.mode == "close":
            return
        if self.mode == "hang":
            await asyncio.Event().wait()
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
        ways = {
            asyncio.create_task(self._pass_on(reader, to_writer, writer)),
            asyncio.create_task(self._pass_back(to_reader, writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            to_writer.close()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        to_writer: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Pass requests on while the mode permits; the connection may be older than the mode."""
        while data := await reader.read(1 << 16):
            mode = self.mode
            if mode == "close":
                return
            if mode == "hang":
                await asyncio.Event().wait()
            if mode in ANSWERS:
                writer.write(ANSWERS[mode])
                await writer.drain()
                if mode == "endless":
                    await asyncio.Event().wait()
                return
            to_writer.write(data)
            await to_writer.drain()

    async def _pass_back(
        self, to_reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await to_reader.read(1 << 16):
            if self.mode == "cut":
                writer.write(data[:150])
                await writer.drain()
                return
            parts = [bytes([byte]) for byte in data] if self.mode == "drip" else [data]
            for part in parts:
                writer.write(part)
                await writer.drain()
                if self.mode == "drip":
                    await asyncio.sleep(0.2)
