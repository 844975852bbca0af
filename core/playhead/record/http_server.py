"""HTTP servers on 127.0.0.1 without signal handlers; the recorder stops them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import ClassVar, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

__all__ = ["HttpServer", "listen"]

STOP_SECONDS = 2
TICKS = 10
"""Ticks a second of uvicorn's loop, which writes the time in the answers' heads at every tenth."""
IDLE_SECONDS = 3600
"""An exporter that sends on a connection just closed as idle loses the batch, so keep them open."""
HEAD_SECONDS = 20.0
"""Longest time from the start of a connection, or of a request, to the end of its head."""
UNREAD_SECONDS = 20.0
"""Longest time in which a client reads what waits for it in the connection, some 300 kB."""
CONNECTIONS = 200
"""Connections of a server; one more closes the one that has been idle for longest."""
UNREAD_BYTES = 32 * 1024 * 1024
"""Bytes a second, of all connections, that are read although their request is answered already.

A client that sends a body which is too large reads the answer when it has sent everything.
"""
BUSY_CONNECTIONS = 256
"""Connections with a request under way. One more request is answered with 503."""


def listen(port: int) -> socket.socket:
    """Return a listening socket on 127.0.0.1; 0 takes a free port.

    Raises:
        OSError: The port is in use.
    """
    # Without the protocol, asyncio does not set TCP_NODELAY, and answers wait 40 ms for an ACK.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(512)
    except OSError:
        sock.close()
        raise
    return sock


class _Connection(H11Protocol):
    """A connection that ends when its request does not arrive, or when others need its place."""

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _active_at = 0.0
    _unread_until: ClassVar[float] = 0.0
    """Time until which the bytes that were read so far are enough."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._active_at = self.loop.time()
        self._expect_head()
        # A connection that is being closed leaves the set later.
        others = [
            connection
            for connection in self.connections
            if isinstance(connection, _Connection)
            and connection is not self
            and not connection.transport.is_closing()
        ]
        if len(others) >= CONNECTIONS:
            idle = [connection for connection in others if connection.is_idle]
            if idle:
                min(idle, key=lambda connection: connection._active_at).close()

    def data_received(self, data: bytes) -> None:
        self._active_at = self.loop.time()
        super().data_received(data)
        if self.is_idle and str(self.conn.their_state) == "SEND_BODY":
            self._read_slowly(len(data))
        if not self.is_idle:
            self._forget_deadline()
        elif self.conn.trailing_data[0] and self._deadline is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        self._forget_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        # A transport that is closed waits for its client, too.
        self._unread = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._forget_unread()
        super().resume_writing()

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress; the head of the next one may have begun to arrive."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    def close(self) -> None:
        """Close the connection."""
        if not self.transport.is_closing():
            self.transport.close()

    def _read_slowly(self, size: int) -> None:
        """Read on when all connections together have not read too much, so that others get on."""
        if self.transport.is_closing():
            return
        now = self.loop.time()
        _Connection._unread_until = max(_Connection._unread_until, now) + size / UNREAD_BYTES
        self.transport.pause_reading()
        self.loop.call_at(_Connection._unread_until, self._resume)

    def _resume(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.close)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class HttpServer(uvicorn.Server):
    """A server of an ASGI application on a socket that is already listening."""

    def __init__(self, app: ASGIApp, sock: socket.socket) -> None:
        """Configure the server; `run_on_socket` runs it."""
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                http=_Connection,
                limit_concurrency=BUSY_CONNECTIONS,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._socket = sock
        self._stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Install no signal handlers: the recorder has its own."""
        yield

    async def run_on_socket(self) -> None:
        """Serve until `stop` is called."""
        await self.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Accept no more connections, and let `run_on_socket` end with the current requests."""
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        """Wait until the server is stopped; uvicorn wakes up ten times a second to look."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += TICKS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the connections; uvicorn waits a tenth of a second also when none is in use."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # those that are idle have been closed now
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for one in sockets or ():
            one.close()
        for server in self.servers:
            await server.wait_closed()
