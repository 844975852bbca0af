"""Framing of the service protocol: an 8-byte header precedes every message.

Header, big-endian: type (u16), flags (u16), length of the message in bytes (u32).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["CONTENT_TYPE", "ERROR", "START", "FramingError", "frame", "frames"]

START = 0
ERROR = 2

CONTENT_TYPE = "application/vnd.restate.invocation.v{version}"

_HEADER = struct.Struct(">HHI")


class FramingError(Exception):
    """Bytes are not a sequence of whole frames."""


def frame(code: int, message: bytes) -> bytes:
    """Return a message of this wire type with its header."""
    return _HEADER.pack(code, 0, len(message)) + message


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the (wire type, message) pairs in `data`.

    Raises:
        FramingError: The last frame is incomplete.
    """
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            raise FramingError(f"{len(data) - at} bytes at offset {at} are not a frame header")
        code, _, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        if len(data) - at < length:
            raise FramingError(f"frame {code:#06x} at offset {at} is cut off")
        yield code, data[at : at + length]
        at += length
