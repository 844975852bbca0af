"""Bodies of requests: gzip, deflate and zstd, with limits while they are read and unpacked."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from starlette.requests import Request

from playhead.errors import RequestBodyError

__all__ = ["Budget", "read_body", "request_body"]

BODY_SECONDS = 30.0
"""Longest time to receive a body."""
_FORMATS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""Parameter of zlib for each content encoding; `deflate` is zlib's own format (RFC 9110)."""
CHUNK_BYTES = 4 * 1024
"""Size of the pieces to unpack: after each gzip member, zlib copies the rest of its piece."""
LARGEST_RATIO = 1032
"""Deflate's largest ratio of unpacked to packed bytes (zlib's technical details)."""
ZSTD_CHUNK_BYTES = 256
"""The same for zstd, whose blocks of 4 bytes may unpack to 128 KiB each."""
ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
"""Largest window that a sender may use (RFC 9659)."""
_unpacking = ThreadPoolExecutor(1, "unpacking")
"""One thread, which unpacks hundreds of MB a second, so that others have a processor meanwhile."""


class Budget(Protocol):
    """A limit on the bytes of all requests in memory, such as that of the ingest queue."""

    def reserve(self, size: int) -> None:
        """Count bytes; raise an exception when too many are in use."""
        ...

    def release(self, size: int) -> None:
        """Give bytes back."""
        ...


class _NoBudget:
    def reserve(self, size: int) -> None:
        return None

    def release(self, size: int) -> None:
        return None


class _Reservation:
    """Bytes of one request that count towards a budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._size = 0

    def resize(self, size: int) -> None:
        if size > self._size:
            self._budget.reserve(size - self._size)
        else:
            self._budget.release(self._size - size)
        self._size = size


@contextlib.asynccontextmanager
async def request_body(request: Request, limit: int, budget: Budget) -> AsyncGenerator[bytes]:
    """Yield the unpacked body, whose bytes count towards the budget until the block ends.

    Args:
        request: The request.
        limit: Maximum size in bytes, before and after unpacking.
        budget: Limit for all requests together; its exception passes through.

    Raises:
        RequestBodyError: See `read_body`.
    """
    reservation = _Reservation(budget)
    try:
        yield await _read(request, limit, reservation)
    finally:
        reservation.resize(0)


async def read_body(request: Request, limit: int) -> bytes:
    """Return the unpacked body, at most `limit` bytes.

    Raises:
        RequestBodyError: The body is too large (413), has an unsupported encoding (415), or is not
            valid in it (400), or arrives too slowly (408).
    """
    return await _read(request, limit, _Reservation(_NoBudget()))


async def _read(request: Request, limit: int, reservation: _Reservation) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "zstd", *_FORMATS):
        raise RequestBodyError(415, f"content encoding {encoding!r}: send gzip, zstd or identity")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise RequestBodyError(413, f"the body is larger than {limit} bytes")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise RequestBodyError(413, f"the body is larger than {limit} bytes")
                reservation.resize(size)
                parts.append(part)
    except TimeoutError as error:
        raise RequestBodyError(408, f"the body took longer than {BODY_SECONDS:g} s") from error
    body = b"".join(parts)
    if encoding in ("identity", ""):
        return body
    if encoding == "zstd":
        reservation.resize(size + limit)
        unpacked = await asyncio.get_running_loop().run_in_executor(
            _unpacking, _unpack_zstd, body, limit
        )
    else:
        reservation.resize(size + min(limit, size * LARGEST_RATIO))
        unpacked = await asyncio.get_running_loop().run_in_executor(
            _unpacking, _unzip, body, limit, encoding
        )
    if unpacked is None:
        raise RequestBodyError(413, f"the unpacked body is larger than {limit} bytes")
    reservation.resize(len(unpacked))
    return unpacked


def _unzip(body: bytes, limit: int, encoding: str) -> bytes | None:
    """Return the unpacked members of a body; None when they are larger than `limit`."""
    unpacked = bytearray()
    stream = zlib.decompressobj(_FORMATS[encoding])
    started = False
    try:
        for start in range(0, len(body), CHUNK_BYTES):
            left = body[start : start + CHUNK_BYTES]
            while left:
                started = True
                unpacked += stream.decompress(left, limit + 1 - len(unpacked))
                if len(unpacked) > limit:
                    return None
                left = stream.unconsumed_tail
                if stream.eof:
                    left = stream.unused_data
                    stream, started = zlib.decompressobj(_FORMATS[encoding]), False
    except zlib.error as error:
        raise RequestBodyError(400, f"the body is not valid {encoding}: {error}") from error
    if started:
        raise RequestBodyError(400, f"the {encoding} stream is incomplete")
    return bytes(unpacked)


def _unpack_zstd(body: bytes, limit: int) -> bytes | None:
    """Return the unpacked frames of a body; None when they are larger than `limit`."""
    import zstandard

    unpacked = bytearray()
    unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    stream = unpacker.decompressobj()
    started = False
    try:
        for start in range(0, len(body), ZSTD_CHUNK_BYTES):
            left = body[start : start + ZSTD_CHUNK_BYTES]
            while left:
                started = True
                unpacked += stream.decompress(left)
                if len(unpacked) > limit:
                    return None
                left = b""
                if stream.eof:
                    left = stream.unused_data
                    stream, started = unpacker.decompressobj(), False
    except zstandard.ZstdError as error:
        raise RequestBodyError(400, f"the body is not valid zstd: {error}") from error
    if started:
        raise RequestBodyError(400, "the zstd stream is incomplete")
    return bytes(unpacked)
