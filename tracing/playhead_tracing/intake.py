"""The request body of an attempt as it comes in: the server's start message and the journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from playhead_tracing import wire

Event = dict[str, Any]
current_intake: ContextVar[Intake | None] = ContextVar("playhead_intake", default=None)


class Intake:
    """Keeps what is received until the handler begins; later frames are not the journal."""

    def __init__(self, receive: Callable[[], Awaitable[Event]]) -> None:
        self._receive = receive
        self._chunks: list[bytes] = []
        self._open = True
        self._last_command: int | None = None

    async def __call__(self) -> Event:
        """ASGI's receive."""
        event = await self._receive()
        if self._open and (body := event.get("body")):
            self._chunks.append(body)
        return event

    def close(self) -> wire.Start | None:
        """The handler begins; returns the server's start message where it can be read."""
        self._open = False
        body = self.journal()
        start = wire.start_of(body)
        if start is not None and start.known_entries <= 1:
            self._chunks = []
        return start

    def holds_command(self, index: int) -> bool:
        """Whether the journal has a command of this index already."""
        if self._last_command is None:
            self._last_command = wire.last_command(self.journal())
        return index <= self._last_command

    def journal(self) -> bytes:
        """Start message and journal, as received."""
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""
