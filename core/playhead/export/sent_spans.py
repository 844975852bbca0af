"""The spans that a target has accepted, in a small file beside the store.

The file has 8 bytes per span. A record that a killed process left incomplete is ignored, and
overwritten by the next one.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from playhead.errors import ExportError
from playhead.regular_file import read_regular
from playhead.store.span_ids import SpanIdSet

__all__ = ["SentSpans"]

FOLDER = "exports"
_WIDTH = 8


class SentSpans:
    """The accepted spans of one target; a context manager that opens and closes the file."""

    def __init__(self, store: Path, name: str, identity: str) -> None:
        """Name the file without opening it.

        Args:
            store: Folder of the store.
            name: Name of the target.
            identity: What identifies it among targets of this name: its address and project.
        """
        digest = blake2b(identity.encode(), digest_size=6).hexdigest()
        self.path = store / FOLDER / f"{name}-{digest}.sent"
        self._ids = SpanIdSet()
        self._handle = -1

    def __enter__(self) -> SentSpans:
        """Read the file. Raises ExportError if it cannot be used, or another export uses it."""
        import fcntl

        from playhead.store.arrow import pa

        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            data = read_regular(self.path)
        except BlockingIOError as error:
            os.close(self._handle)
            raise ExportError(
                f"Another export to the same target is running ({self.path} is locked)",
                "Wait until it has ended, or stop it.",
            ) from error
        except OSError as error:
            if self._handle >= 0:
                os.close(self._handle)
            raise ExportError(
                f"{self.path} cannot be used: {error}",
                "Move it away; spans that the target has accepted are then sent again.",
            ) from error
        whole = len(data) - len(data) % _WIDTH
        os.lseek(self._handle, whole, os.SEEK_SET)
        numbers = pa.Array.from_buffers(
            pa.uint64(), whole // _WIDTH, [None, pa.py_buffer(data[:whole])]
        )
        self._ids = SpanIdSet(pa.chunked_array([numbers], pa.uint64()))
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._handle)

    def known(self, keys: Iterable[int]) -> set[int]:
        """Return those of these spans that the target has accepted."""
        return self._ids.known(keys) if len(self._ids) else set()

    def add(self, keys: Iterable[int]) -> None:
        """Record spans as accepted, for later exports: one export reads each span once."""
        os.write(self._handle, array("Q", keys).tobytes())

    def clear(self) -> None:
        """Forget all spans, so that they are sent again."""
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        self._ids = SpanIdSet()
