"""The fields of Restate's service protocol that no SDK call gives: entry counts, completion ids.

A body is frames of an 8-byte big-endian header (type u16, flags u16, length u32) and a protobuf
message. Field numbers are those of the public service protocol (dev.restate.service.protocol).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

_HEADER = Struct(">HHI")
START = 0x0000
RUN = 0x0411
_COMMANDS = range(0x0400, 0x8000)
_RESULT_COMPLETION_ID = 11


@dataclass(frozen=True)
class Start:
    """What the server says about an attempt before it begins."""

    known_entries: int
    """Journal entries that exist already; 1 (the input) when nothing was done yet."""
    retry_count: int
    """Failed attempts since the last entry was stored."""


def frames(body: bytes) -> Iterator[tuple[int, int, int]]:
    """(message type, begin, end) of every whole frame; begin and end enclose its protobuf."""
    position, size = 0, len(body)
    while position + 8 <= size:
        kind, _, length = _HEADER.unpack_from(body, position)
        begin = position + 8
        position = begin + length
        if position > size:
            return
        yield kind, begin, position


def start_of(body: bytes) -> Start | None:
    """The StartMessage that opens a request; None when the body does not begin with a whole one."""
    for kind, begin, end in frames(body):
        if kind != START:
            return None
        numbers = _numbers(body, begin, end)
        return Start(known_entries=numbers.get(3, 0), retry_count=numbers.get(7, 0))
    return None


def command_at(body: bytes, index: int) -> tuple[int, int | None] | None:
    """(type, result completion id) of a journal's command; index 0 is the input."""
    ordinal = -1
    for kind, begin, end in frames(body):
        if kind in _COMMANDS:
            ordinal += 1
            if ordinal == index:
                return kind, _numbers(body, begin, end).get(_RESULT_COMPLETION_ID)
    return None


def last_command(body: bytes) -> int:
    """Index of a journal's last command; -1 when there is none."""
    return sum(kind in _COMMANDS for kind, _, _ in frames(body)) - 1


def run_completion_ids(body: bytes) -> Iterator[int | None]:
    """The completion id of every Run command of a body, in order."""
    for kind, begin, end in frames(body):
        if kind == RUN:
            yield _numbers(body, begin, end).get(_RESULT_COMPLETION_ID)


def _numbers(body: bytes, position: int, end: int) -> dict[int, int]:
    """The varint fields of a message; all others are skipped."""
    found: dict[int, int] = {}
    while position < end:
        key, position = _varint(body, position)
        wire_type = key & 7
        if wire_type == 0:
            found[key >> 3], position = _varint(body, position)
        elif wire_type == 2:
            length, position = _varint(body, position)
            position += length
        elif wire_type == 1:
            position += 8
        elif wire_type == 5:
            position += 4
        else:
            break
    return found


def _varint(body: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = body[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
