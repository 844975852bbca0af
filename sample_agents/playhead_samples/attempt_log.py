"""Counted attempts: two lines in a file for each time that a handler really ran.

The file named by `PLAYHEAD_ATTEMPT_LOG` survives `kill -9` and does not depend on Restate's counts
or on spans. An attempt that never reached this process is not in it, and one whose process was
killed has a beginning only. Without the variable, no file is written.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

__all__ = ["VARIABLE", "HandlerAttempt", "current_invocation", "read", "recorded"]

VARIABLE = "PLAYHEAD_ATTEMPT_LOG"
ID_HEADER = b"x-restate-invocation-id"
HEADER_BYTES = 8
ENDINGS = {1: "suspended", 2: "failed", 3: "completed"}
"""How an attempt ended, by the type of its last message (Restate's service protocol)."""

Ending = Literal["suspended", "failed", "completed", "disconnected", "lost"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

current_invocation: ContextVar[str | None] = ContextVar("current_invocation", default=None)
"""Id of the invocation that the current task runs for."""


@dataclass(frozen=True, slots=True)
class HandlerAttempt:
    """One execution of a handler, as its own process saw it."""

    invocation_id: str
    started_at: float
    """Seconds since the epoch."""
    ended_at: float | None
    """None if the process was killed before the end."""
    ending: Ending
    """`disconnected`: the server closed the connection; `lost`: the process was killed."""


def recorded(app: Any) -> Any:
    """Return the ASGI app with a record of its attempts."""

    async def serve(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        headers = dict(cast("list[tuple[bytes, bytes]]", scope.get("headers") or []))
        invocation = headers.get(ID_HEADER, b"").decode()
        if not invocation:
            await app(scope, receive, send)
            return
        current_invocation.set(invocation)
        attempt = uuid.uuid4().hex
        _write({"attempt": attempt, "invocation": invocation, "at": time.time()})
        reply = _Reply()

        async def sent(message: Message) -> None:
            reply.read(bytes(message.get("body") or b""))
            await send(message)

        try:
            await app(scope, receive, sent)
        finally:
            _write({"attempt": attempt, "at": time.time(), "ending": reply.ending})

    return serve


def read(path: Path) -> list[HandlerAttempt]:
    """Return all attempts in the file, oldest first; none if it does not exist."""
    attempts: dict[str, HandlerAttempt] = {}
    for line in _lines(path):
        key = line["attempt"]
        if "invocation" in line:
            attempts[key] = HandlerAttempt(line["invocation"], line["at"], None, "lost")
        else:
            attempts[key] = replace(attempts[key], ended_at=line["at"], ending=line["ending"])
    return list(attempts.values())


class _Reply:
    """Reads the types of the messages that a handler sends, in chunks of any size."""

    def __init__(self) -> None:
        self.ending: Ending = "disconnected"
        self._rest: bytes = b""
        self._skip = 0

    def read(self, chunk: bytes) -> None:
        """Read a part of the body."""
        data = self._rest + chunk
        while data:
            skipped = min(self._skip, len(data))
            data, self._skip = data[skipped:], self._skip - skipped
            if len(data) < HEADER_BYTES:
                break
            kind = int.from_bytes(data[:2], "big")
            self._skip = int.from_bytes(data[4:HEADER_BYTES], "big")
            data = data[HEADER_BYTES:]
            if kind in ENDINGS:
                self.ending = cast("Ending", ENDINGS[kind])
        self._rest = data


def _write(line: dict[str, Any]) -> None:
    path = os.environ.get(VARIABLE)
    if not path:
        return
    # O_APPEND makes one small write atomic, so several processes can share the file.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, (json.dumps(line) + "\n").encode())
    finally:
        os.close(descriptor)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return
    yield from map(json.loads, text.splitlines())
