"""Small files of Playhead's own folders, read without waiting for what is not a file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["is_other", "read_regular"]


def read_regular(path: Path, *, most: int | None = None) -> bytes:
    """Return the content of a file.

    Args:
        path: The file.
        most: Largest number of bytes.

    Raises:
        OSError: It cannot be read, is larger, or is a pipe, a device or a folder.
    """
    # To open a pipe would otherwise wait for its writer.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is not a file")
        if most is None:
            return file.read()
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(f"{path} has more than {most >> 10} KiB")
    return data


def is_other(path: Path) -> bool:
    """Return whether something is at this path that is not a file."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False
