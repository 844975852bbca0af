"""The lock of a store folder, which one recorder has at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

from filelock import FileLock, Timeout

from playhead.errors import StoreLockedError

__all__ = ["LOCK", "exclusive", "take_lock"]

LOCK = "recorder.lock"


def take_lock(folder: Path) -> FileLock:
    """Take the lock that the operating system releases when its process ends.

    The file contains the process id of its owner.

    Raises:
        StoreLockedError: Another process has the lock.
    """
    path = folder / LOCK
    # A store may be closed by another thread than the one that opened it.
    lock = FileLock(path, blocking=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        owner = f"process {pid}" if (pid := path.read_text().strip()) else "another process"
        raise StoreLockedError(
            f"The store {folder} is in use by {owner}",
            "Stop that recorder, or choose another folder with --store.",
        ) from error
    path.write_text(str(os.getpid()))
    return lock


@contextlib.contextmanager
def exclusive(folder: Path) -> Generator[None]:
    """Keep recorders away from a store. Raises StoreLockedError when one is running."""
    lock = take_lock(folder)
    try:
        yield
    finally:
        lock.release()
