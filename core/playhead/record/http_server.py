"""HTTP servers on 127.0.0.1 without signal handlers; the recorder stops them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

__all__ = ["HttpServer", "listen"]

STOP_SECONDS = 2
IDLE_SECONDS = 3600
"""An exporter that sends on a connection just closed as idle loses the batch, so keep them open."""


def listen(port: int) -> socket.socket:
    """Return a listening socket on 127.0.0.1; 0 takes a free port.

    Raises:
        OSError: The port is in use.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(512)
    except OSError:
        sock.close()
        raise
    return sock


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
                limit_concurrency=256,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._socket = sock

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Install no signal handlers: the recorder has its own."""
        yield

    async def run_on_socket(self) -> None:
        """Serve until `should_exit` is set."""
        await self.serve(sockets=[self._socket])
