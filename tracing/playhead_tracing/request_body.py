"""The request body of an attempt: the server's start message and the journal.

Restate's service protocol puts both into frames: an 8-byte big-endian header (type u16, flags u16,
length u32), then a protobuf message. The bridge reads the three numbers that no SDK call returns:
entry count, retry count and completion ids. Field numbers are those of the public protocol
(dev.restate.service.protocol).

The numbers are read by hand because this code runs in the agent's process: generated protobuf code
would tie the agent to the protobuf versions that can run it, and skipping fields takes less time
than parsing whole messages with their payloads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from struct import Struct
from typing import Any

_HEADER = Struct(">HHI")
_START = 0x0000
RUN = 0x0411
"""Wire type of the Run command."""
_COMMANDS = range(0x0400, 0x8000)
_KNOWN_ENTRIES = 3
_RETRY_COUNT = 7
_RESULT_COMPLETION_ID = 11

Event = dict[str, Any]
current_request_body: ContextVar[RequestBody | None] = ContextVar(
    "playhead_request_body", default=None
)
"""Body of the request that the running code serves."""


@dataclass(frozen=True)
class Start:
    """The fields of the server's start message that the bridge needs."""

    known_entries: int
    """Number of journal entries before the attempt; 1 (the input) in a new invocation."""
    retry_count: int
    """Failed attempts since the last entry was stored."""


class RequestBody:
    """A wrapper of ASGI's `receive` that keeps the body until the handler begins.

    Later frames are results for the running attempt, not part of the journal.
    """

    def __init__(self, receive: Callable[[], Awaitable[Event]]) -> None:
        self._receive = receive
        self._chunks: list[bytes] = []
        self._open = True
        self._last_command: int | None = None

    async def __call__(self) -> Event:
        """Receive one ASGI event."""
        event = await self._receive()
        if self._open and (chunk := event.get("body")):
            self._chunks.append(chunk)
        return event

    def close(self) -> Start | None:
        """Stop keeping the body when the handler begins; return the start message if readable."""
        self._open = False
        start = start_of(self.journal())
        if start is not None and start.known_entries <= 1:
            self._chunks = []
        return start

    def holds_command(self, index: int) -> bool:
        """Return whether the journal already has the command with this index."""
        return index <= self.last_command()

    def last_command(self) -> int:
        """Return the index of the journal's last command."""
        if self._last_command is None:
            self._last_command = last_command(self.journal())
        return self._last_command

    def journal(self) -> bytes:
        """Return the start message and the journal, as received."""
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""


def start_of(body: bytes) -> Start | None:
    """Return the StartMessage that opens a request; None if it is missing or incomplete."""
    for kind, begin, end in _frames(body):
        if kind != _START:
            return None
        numbers = _numbers(body, begin, end)
        return Start(numbers.get(_KNOWN_ENTRIES, 0), numbers.get(_RETRY_COUNT, 0))
    return None


def command_at(body: bytes, index: int) -> tuple[int, int | None] | None:
    """Return (type, result completion id) of a journal's command; index 0 is the input."""
    ordinal = -1
    for kind, begin, end in _frames(body):
        if kind in _COMMANDS:
            ordinal += 1
            if ordinal == index:
                return kind, _numbers(body, begin, end).get(_RESULT_COMPLETION_ID)
    return None


def last_command(body: bytes) -> int:
    """Return the index of a journal's last command; -1 for a journal without commands."""
    return sum(kind in _COMMANDS for kind, _, _ in _frames(body)) - 1


def run_completion_ids(body: bytes) -> Iterator[int | None]:
    """Yield the completion ids of all Run commands of a body, in order."""
    for kind, begin, end in _frames(body):
        if kind == RUN:
            yield _numbers(body, begin, end).get(_RESULT_COMPLETION_ID)


def _frames(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (message type, begin, end) of the message in every complete frame."""
    position, size = 0, len(body)
    while position + 8 <= size:
        kind, _, length = _HEADER.unpack_from(body, position)
        begin = position + 8
        position = begin + length
        if position > size:
            return
        yield kind, begin, position


def _numbers(body: bytes, position: int, end: int) -> dict[int, int]:
    """Return the varint fields of a message by number, skipping all others."""
    numbers: dict[int, int] = {}
    while position < end:
        key, position = _varint(body, position)
        wire_type = key & 7
        if wire_type == 0:
            numbers[key >> 3], position = _varint(body, position)
        elif wire_type == 2:
            length, position = _varint(body, position)
            position += length
        elif wire_type == 1:
            position += 8
        elif wire_type == 5:
            position += 4
        else:
            break
    return numbers


def _varint(body: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = body[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
