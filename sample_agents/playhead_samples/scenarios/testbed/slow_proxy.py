"""A slow network on 127.0.0.1: a TCP proxy that delays every chunk."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from playhead.local import free_port

__all__ = ["SlowProxy"]

CHUNK_BYTES = 64 * 1024


class SlowProxy:
    """A proxy that forwards TCP connections to a port, in its own thread, until it is closed."""

    def __init__(self, target: int, seconds: float) -> None:
        """Listen on a free port.

        Args:
            target: the port on 127.0.0.1 to forward to.
            seconds: delay of each chunk, in either direction.
        """
        self.port = free_port()
        self._target = target
        self._seconds = seconds
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def url(self) -> str:
        """Base URL of the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break every open connection; new ones are accepted."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    def close(self) -> None:
        """Break every connection and stop listening. Safe to call twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closed.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._closed = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self._ready.set()
        async with server:
            await self._closed.wait()
            await self._cut()

    async def _cut(self) -> None:
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self._loop.create_task(self._forward(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target_writer: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError):
            try:
                target_reader, target_writer = await asyncio.open_connection(
                    "127.0.0.1", self._target
                )
                await asyncio.gather(
                    self._copy(reader, target_writer), self._copy(target_reader, writer)
                )
            finally:
                writer.transport.abort()
                if target_writer is not None:
                    target_writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy one direction; each chunk waits for the ones before it."""
        while data := await reader.read(CHUNK_BYTES):
            await asyncio.sleep(self._seconds)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
