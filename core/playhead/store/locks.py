"""One recorder a store: an advisory lock on a file beside the database."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

__all__ = ["FileLock"]


class FileLock:
    """An exclusive lock that the operating system drops when its process ends."""

    def __init__(self, path: Path) -> None:
        """Describe the lock; `acquire` takes it."""
        self.path = path
        self._file: IO[str] | None = None

    def acquire(self) -> int | None:
        """Take the lock. Returns None, or the process id of who holds it (0: not known)."""
        file = self.path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            text = file.read().strip()
            file.close()
            return int(text) if text.isdigit() else 0
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return None

    def release(self) -> None:
        """Give it back; safe to call twice."""
        if self._file is not None:
            self._file.close()
            self._file = None
