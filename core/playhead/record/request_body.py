"""Bodies of requests: gzip, and a size limit before and after unpacking."""

from __future__ import annotations

import zlib

from starlette.requests import Request

from playhead.errors import RequestBodyError

__all__ = ["read_body"]

_GZIP = 16 + zlib.MAX_WBITS


async def read_body(request: Request, limit: int) -> bytes:
    """Return the unpacked body, at most `limit` bytes.

    Raises:
        RequestBodyError: The body is too large (413), has an unsupported encoding (415), or is not
            valid gzip (400).
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise RequestBodyError(415, f"content encoding {encoding!r}: send gzip or identity")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise RequestBodyError(413, f"the body is larger than {limit} bytes")
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise RequestBodyError(413, f"the body is larger than {limit} bytes")
        parts.append(part)
    body = b"".join(parts)
    return _unzip(body, limit) if encoding == "gzip" else body


def _unzip(body: bytes, limit: int) -> bytes:
    unpacked: list[bytes] = []
    left = limit
    try:
        while body:
            stream = zlib.decompressobj(_GZIP)
            part = stream.decompress(body, left + 1)
            left -= len(part)
            if left < 0:
                raise RequestBodyError(413, f"the unpacked body is larger than {limit} bytes")
            if not stream.eof:
                raise RequestBodyError(400, "the gzip stream is incomplete")
            unpacked.append(part)
            body = stream.unused_data
    except zlib.error as error:
        raise RequestBodyError(400, f"the body is not valid gzip: {error}") from error
    return b"".join(unpacked)
