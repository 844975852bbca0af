"""Answers of queries in parts, and the memory that all of them may take together."""

from __future__ import annotations

import threading
from collections import deque

from playhead.errors import QueryMemoryError

__all__ = ["Answer", "AnswerSpace"]

SPACE = 288 * 1024 * 1024
"""Bytes of all answers that are being made or sent."""
SMALL = 256 * 1024
"""Size of answers that are always possible; the number of queries and connections bounds them."""
MEDIUM = 4 * 1024 * 1024
RESERVE = 32 * 1024 * 1024
"""Part of the memory that only answers up to the size above may use."""


class AnswerSpace:
    """Memory for answers of all queries. Any thread may use it."""

    def __init__(self, size: int = SPACE) -> None:
        """Start without answers."""
        self._left = size
        self._lock = threading.Lock()

    def take(self, size: int, *, is_large: bool) -> None:
        """Reserve memory. Raises QueryMemoryError if the other answers have too much."""
        with self._lock:
            if size > self._left - (RESERVE if is_large else 0):
                raise QueryMemoryError(
                    "The memory for answers is used up",
                    "Select fewer rows or columns, or try again when the others have been read.",
                )
            self._left -= size

    def give_back(self, size: int) -> None:
        """Return memory that was reserved."""
        with self._lock:
            self._left += size


class Answer:
    """The bytes of an answer, in parts: to join them would take their memory again."""

    def __init__(self, space: AnswerSpace | None = None) -> None:
        """Start empty.

        Args:
            space: Memory that it shares with others; without one, it has no limit.
        """
        self.size = 0
        self._parts: deque[bytes] = deque()
        self._space = space
        self._taken = 0

    def add(self, part: str | bytes) -> None:
        """Append a part. Raises QueryMemoryError if there is no memory for it."""
        data = part.encode(errors="replace") if isinstance(part, str) else part
        self._take(self.size + len(data))
        self._parts.append(data)
        self.size += len(data)

    def cut(self, size: int) -> None:
        """Forget the parts after those that had this size."""
        while self.size > size:
            self.size -= len(self._parts.pop())
        self._take(self.size)

    def pop(self) -> bytes:
        """Remove and return the first part; empty if there is none."""
        if not self._parts:
            self.free()
            return b""
        part = self._parts.popleft()
        self.size -= len(part)
        self._take(self.size)
        return part

    def whole(self) -> bytes:
        """Return all parts in one, for small answers, and free the answer."""
        found = b"".join(self._parts)
        self.free()
        return found

    def free(self) -> None:
        """Forget the parts, and return their memory."""
        self._parts.clear()
        self.size = 0
        self._take(0)

    def __del__(self) -> None:
        """Free an answer that was not sent, for example since the recorder stops."""
        self.free()

    def _take(self, size: int) -> None:
        wanted = size if size > SMALL else 0
        if self._space is not None and wanted > self._taken:
            self._space.take(wanted - self._taken, is_large=wanted > MEDIUM)
        elif self._space is not None and wanted < self._taken:
            self._space.give_back(self._taken - wanted)
        self._taken = wanted
