"""Framing of the service protocol: an 8-byte header before every message.

Header, big-endian: type (u16), flags (u16), length of the message in bytes (u32).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["CONTENT_TYPE", "END", "ERROR", "START", "SUSPENSION", "WireError", "frame", "frames"]

START = 0
SUSPENSION = 1
ERROR = 2
END = 3

CONTENT_TYPE = "application/vnd.restate.invocation.v{version}"

_HEADER = struct.Struct(">HHI")


class WireError(Exception):
    """Bytes are no sequence of whole frames."""


def frame(code: int, message: bytes) -> bytes:
    """One framed message of that wire type."""
    return _HEADER.pack(code, 0, len(message)) + message


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (wire type, message) pairs in `data`.

    Raises:
        WireError: the last frame is cut off.
    """
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            raise WireError(f"{len(data) - at} bytes at offset {at} are no frame header")
        code, _, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        if len(data) - at < length:
            raise WireError(f"frame {code:#06x} at offset {at} is cut off")
        yield code, data[at : at + length]
        at += length
