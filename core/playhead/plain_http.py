"""An httpx transport for plain HTTP/1.1 to one server: a third of the processor time of httpx's."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import h11
import httpx

__all__ = ["QUICK_ACKNOWLEDGMENT", "PlainTransport"]

READ_BYTES = 1 << 18
HEAD_BYTES = 100_000
"""Longest head of an answer, as with httpx."""
MOST_BYTES = 512 * 1024 * 1024
"""Largest answer: a server that is not the expected one may send without end."""
WHOLE_ANSWERS = 3.0
"""Time for a whole answer, as a multiple of the time in which the server may be silent."""
KEPT_SECONDS = 5.0
"""Time for which an unused connection is kept, as with httpx."""

QUICK_ACKNOWLEDGMENT = hasattr(socket, "TCP_QUICKACK")
"""Whether the system can be told to acknowledge packets at once, as Linux can."""

_PACKING = b"accept-encoding"


class PlainTransport(httpx.AsyncBaseTransport):
    """Sends requests over TCP, without TLS, proxies, HTTP/2 and streamed bodies.

    httpx's own transport works with any event loop and any proxy, which takes 1 ms of processor
    time for each request. The dashboard sends several a second to servers on the same machine. The
    protocol is h11's, as with httpx.
    """

    def __init__(
        self, *, keep: bool = True, repeatable: Callable[[httpx.Request], bool] | None = None
    ) -> None:
        """Create a transport; nothing is connected yet.

        Args:
            keep: Whether to use connections again.
            repeatable: Returns whether a request may be sent twice. If given, only such requests
                keep a connection and use it again. If the server has closed it meanwhile, they are
                sent over a new one.
        """
        self._keep = keep
        self._repeatable = repeatable
        self._kept: dict[tuple[str, int], list[_Connection]] = {}
        self._addresses: dict[tuple[str, int], str] = {}
        """Where connections were made, so that a name is not looked up each time."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its whole answer. Raises httpx.TransportError."""
        limits: dict[str, float | None] = request.extensions.get("timeout", {})
        url = request.url
        place = url.host, url.port or 80
        content = await request.aread()
        again = self._repeatable is not None and self._repeatable(request)
        keep = self._keep and (again or self._repeatable is None)
        if keep and (kept := self._take(place)) is not None:
            try:
                return await self._answer(place, kept, request, content, keep=True)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if not again or kept.answering:
                    raise
        connection = await self._connect(place, limits.get("connect"))
        return await self._answer(place, connection, request, content, keep=keep)

    async def _answer(
        self,
        place: tuple[str, int],
        connection: _Connection,
        request: httpx.Request,
        content: bytes,
        *,
        keep: bool,
    ) -> httpx.Response:
        """Return the answer to a request, and keep or close the connection."""
        reusable = False
        try:
            limits = request.extensions.get("timeout", {})
            response, reusable = await connection.ask(request, content, limits)
        finally:
            if reusable and keep:
                self._put(place, connection)
            else:
                connection.close()
        return response

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        for connections in self._kept.values():
            for connection in connections:
                connection.close()
        self._kept.clear()
        await asyncio.sleep(0)  # asyncio closes them when it runs next

    def _take(self, place: tuple[str, int]) -> _Connection | None:
        """Return a kept connection that still can be used."""
        kept = self._kept.get(place, [])
        while kept:
            connection = kept.pop()
            if connection.usable:
                return connection
            connection.close()
        return None

    def _put(self, place: tuple[str, int], connection: _Connection) -> None:
        """Keep a connection, and close those that were not used for long."""
        connection.unused_since = time.monotonic()
        kept = self._kept.setdefault(place, [])
        while kept and not kept[0].usable:
            kept.pop(0).close()
        kept.append(connection)

    async def _connect(self, place: tuple[str, int], seconds: float | None) -> _Connection:
        known = self._addresses.get(place)
        with _errors(httpx.ConnectTimeout, httpx.ConnectError):
            async with asyncio.timeout(seconds):
                if known is not None:
                    try:
                        return _Connection(*await asyncio.open_connection(known, place[1]))
                    except OSError:
                        del self._addresses[place]
                        if known == place[0]:
                            raise
                opened = await asyncio.open_connection(*place)
        self._addresses[place] = opened[1].get_extra_info("peername")[0]
        return _Connection(*opened)


@dataclass
class _Connection:
    """One connection and the state of its protocol."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
    )
    unused_since: float = 0.0
    answering: bool = False
    """Whether a part of the answer to the last request has arrived."""

    @property
    def usable(self) -> bool:
        """Whether the server keeps it open, as far as is known."""
        fresh = time.monotonic() - self.unused_since < KEPT_SECONDS
        return fresh and not self.reader.at_eof() and not self.writer.is_closing()

    def close(self) -> None:
        """Close it without waiting."""
        self.writer.close()

    async def ask(
        self, request: httpx.Request, content: bytes, limits: dict[str, float | None]
    ) -> tuple[httpx.Response, bool]:
        """Return the answer to a request, and whether another request can follow."""
        protocol, timeout = self.protocol, limits.get("read")
        whole = None if timeout is None else timeout * WHOLE_ANSWERS
        self.answering = False
        with _errors(httpx.WriteTimeout, httpx.WriteError):
            self.writer.write(_sent(protocol, request, content))
            async with asyncio.timeout(limits.get("write")):
                with suppress(ConnectionError):  # it may have answered before it read everything
                    await self.writer.drain()
            self._acknowledge_at_once()
        head: h11.Response | None = None
        body: list[bytes] = []
        size = 0
        with _errors(httpx.ReadTimeout, httpx.ReadError):
            async with asyncio.timeout(whole):
                while True:
                    event: Any = protocol.next_event()
                    if event is h11.NEED_DATA:
                        async with asyncio.timeout(timeout):
                            data = await self.reader.read(READ_BYTES)
                        if not data and head is None:
                            raise httpx.RemoteProtocolError(
                                "Server disconnected without sending a response."
                            )
                        protocol.receive_data(data)
                        self.answering = True
                    elif isinstance(event, h11.Data):
                        body.append(bytes(event.data))
                        size += len(body[-1])
                        if size > MOST_BYTES:
                            raise httpx.ReadError(f"the answer is larger than {MOST_BYTES} bytes")
                    elif isinstance(event, h11.Response):
                        head = event
                        _require_plain(head)
                    elif not isinstance(event, h11.InformationalResponse):
                        break
        assert head is not None
        done = protocol.our_state is h11.DONE and protocol.their_state is h11.DONE
        kept = done and not protocol.trailing_data[0]  # else it would count as the next answer
        if kept:
            protocol.start_next_cycle()
        headers = head.headers.raw_items()
        return httpx.Response(head.status_code, headers=headers, content=b"".join(body)), kept

    def _acknowledge_at_once(self) -> None:
        """Keep the system from waiting 40 ms with its acknowledgment of the next packet.

        A server with Nagle's algorithm sends the second part of an answer only after it. The system
        waits on connections that were used before, unless it is told otherwise each time.
        """
        if QUICK_ACKNOWLEDGMENT:
            with suppress(OSError):
                sock: socket.socket = self.writer.get_extra_info("socket")
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _sent(protocol: h11.Connection, request: httpx.Request, content: bytes) -> bytes:
    """Return the bytes of a request."""
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != _PACKING]
    head = h11.Request(
        method=request.method,
        target=request.url.raw_path,
        headers=[*headers, (_PACKING, b"identity")],
    )
    sent = protocol.send(head) or b""
    if content:
        sent += protocol.send(h11.Data(data=content)) or b""
    return sent + (protocol.send(h11.EndOfMessage()) or b"")


def _require_plain(head: h11.Response) -> None:
    """Raise httpx.RemoteProtocolError if an answer is packed, as a small one can be enormous."""
    for name, value in head.headers:
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            raise httpx.RemoteProtocolError("the answer is packed, which was not asked for")


@contextmanager
def _errors(
    late: type[httpx.TimeoutException], failed: type[httpx.TransportError]
) -> Generator[None]:
    """Raise httpx's errors."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise failed(_reason(error)) from error
    except h11.RemoteProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from error


def _reason(error: OSError) -> str:
    """Return why a connection failed: asyncio's text has the address, which the caller knows."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return "All connection attempts failed" if error.errno is None else str(error.strerror)
