"""A slow network on 127.0.0.1: a relay that holds every byte back for a while."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from playhead.local import free_port

__all__ = ["SlowLink"]

CHUNK = 64 * 1024


class SlowLink:
    """Relays TCP connections to a port, in a thread of its own, until it is closed."""

    def __init__(self, target: int, seconds: float) -> None:
        """Listen on a free port.

        Args:
            target: the port on 127.0.0.1 to relay to.
            seconds: how long each piece takes in either direction.
        """
        self.port = free_port()
        self._target = target
        self._seconds = seconds
        self._loop = asyncio.new_event_loop()
        self._links: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def url(self) -> str:
        """Address of the near end."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break every connection there is; new ones may follow."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    def close(self) -> None:
        """Break every connection and listen no more. Safe to call twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self._ready.set()
        async with server:
            await self._stopped.wait()
            await self._cut()

    async def _cut(self) -> None:
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = self._loop.create_task(self._relay(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_writer: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError):
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
                await asyncio.gather(
                    self._carry(reader, far_writer), self._carry(far_reader, writer)
                )
            finally:
                writer.transport.abort()
                if far_writer is not None:
                    far_writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction. Pieces travel one after the other, as over a narrow line."""
        while data := await reader.read(CHUNK):
            await asyncio.sleep(self._seconds)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
