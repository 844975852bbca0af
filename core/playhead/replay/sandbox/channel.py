"""The channel between Playhead and the process that runs the user's code.

A stream socket of its own, at a descriptor that no program uses by accident; standard streams stay
the user's. Each frame carries the token of the request that it belongs to. Bytes that the user's
code writes to the socket by mistake do not have it, so they are recognized as garbage.
"""

from __future__ import annotations

import json
import os
import resource
import secrets
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, cast

__all__ = ["MAX_FRAME_BYTES", "Channel", "GarbageError", "descriptor", "new_token"]

MAX_FRAME_BYTES = 256 << 20
"""Limit of one frame; a longer one is garbage."""
_HEAD = struct.Struct("!16sQ")
_DESCRIPTOR = 500
_CHUNK = 1 << 20
_TICK = 0.25
"""Seconds between two calls of `check` while a frame is awaited."""


class GarbageError(Exception):
    """The bytes are not an answer to the request."""


def descriptor() -> int:
    """Return the number of the channel's descriptor in the process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _DESCRIPTOR if soft == resource.RLIM_INFINITY or soft > _DESCRIPTOR else soft - 1


def new_token() -> bytes:
    """Return a token for one request."""
    return secrets.token_bytes(16)


class Channel:
    """One end of the channel."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end

    def send(self, token: bytes, document: Any, *, timeout: float | None = None) -> None:
        """Write one frame of JSON.

        Raises:
            OSError: The other end is closed, or does not read in time.
        """
        payload = json.dumps(document, default=str).encode()
        self.socket.settimeout(timeout)
        self.socket.sendall(_HEAD.pack(token, len(payload)) + payload)

    def receive(
        self, *, deadline: float | None = None, check: Callable[[], None] | None = None
    ) -> tuple[bytes, bytes]:
        """Return the token and the bytes of the next frame.

        Args:
            deadline: Time of the monotonic clock at which to give up.
            check: Called several times a second while waiting; may raise.

        Raises:
            EOFError: The other end is closed.
            TimeoutError: The frame was not complete at the deadline.
            GarbageError: The bytes are not a frame.
        """
        head = self._exactly(_HEAD.size, deadline, check)
        token, length = _HEAD.unpack(head)
        if length > MAX_FRAME_BYTES:
            raise GarbageError(f"a frame of {length} bytes")
        return token, self._exactly(length, deadline, check)

    def answer(self, token: bytes, **waiting: Any) -> dict[str, Any]:
        """Return the answer to the request with this token; arguments as `receive`.

        Raises:
            GarbageError: The frame belongs to another request, or is not an object.
        """
        found, payload = self.receive(**waiting)
        document = _document(payload) if found == token else None
        if not isinstance(document, dict):
            raise GarbageError("a frame that does not belong to the request")
        return cast("dict[str, Any]", document)

    def receive_descriptor(self, *, deadline: float) -> int:
        """Return a descriptor that the other end sent with `send_descriptor`."""
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        data, descriptors, _, _ = socket.recv_fds(self.socket, 1, 1)
        if not data or not descriptors:
            raise EOFError
        os.set_inheritable(descriptors[0], False)
        return descriptors[0]

    def send_descriptor(self, number: int) -> None:
        """Send a descriptor to the other end."""
        socket.send_fds(self.socket, [b"\0"], [number])

    def close(self) -> None:
        """Close this end; safe to call twice."""
        self.socket.close()

    def _exactly(
        self, size: int, deadline: float | None, check: Callable[[], None] | None
    ) -> bytes:
        chunks: list[bytes] = []
        while size:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            self.socket.settimeout(left if check is None or left is None else min(left, _TICK))
            try:
                chunk = self.socket.recv(min(size, _CHUNK))
            except TimeoutError:
                if check is not None:
                    check()
                continue
            except ConnectionError:
                chunk = b""
            if not chunk:
                raise EOFError
            chunks.append(chunk)
            size -= len(chunk)
        return b"".join(chunks)


def _document(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise GarbageError(f"not JSON: {error}") from None
