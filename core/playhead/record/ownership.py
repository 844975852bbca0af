"""Who else can reach the store's folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from playhead.errors import StoreError

__all__ = ["exposure", "require_own_folder"]


def exposure(folder: Path) -> str | None:
    """Return who else can read the folder, as a sentence; None if only its owner can."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return None
    others = [
        name
        for name, bits in (("its group", stat.S_IRWXG), ("all users", stat.S_IRWXO))
        if mode & bits
    ]
    if not others:
        return None
    return (
        f"The store {folder} is open to {' and '.join(others)} of this machine "
        f"(mode {stat.S_IMODE(mode):o}). Close it with `chmod 700 {folder}`."
    )


def require_own_folder(folder: Path) -> None:
    """Raise StoreError if others could replace the files in it, or if it belongs to somebody else.

    Raises:
        StoreError: The message says what to do.
    """
    found = folder.stat()
    if found.st_uid not in (os.geteuid(), 0):
        raise StoreError(
            f"The store {folder} belongs to another user",
            "Choose a folder of your own with --store.",
        )
    if found.st_mode & stat.S_IWOTH:
        raise StoreError(
            f"Every user of this machine can write to the store {folder}",
            f"Close it with `chmod 700 {folder}`, or choose another folder with --store.",
        )
