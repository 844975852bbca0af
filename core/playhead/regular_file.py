"""Small files of Playhead's own folders, read without waiting for what is not a file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["is_other", "read_regular"]


def read_regular(path: Path) -> bytes:
    """Return the content of a file. Raises OSError for a pipe, a device or a folder, too."""
    # To open a pipe would otherwise wait for its writer.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is not a file")
        return file.read()


def is_other(path: Path) -> bool:
    """Return whether something is at this path that is not a file."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False
