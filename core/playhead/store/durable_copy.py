"""Copies of the database file: backups, and stores as they were before a migration."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["copy_durably"]


def copy_durably(source: Path, target: Path) -> None:
    """Copy a file that does not change meanwhile; the copy appears when it is complete and on disk.

    Only the owner can read it, also while it is written. Raises OSError.
    """
    writing = target.with_name(f".{target.name}.writing")
    writing.unlink(missing_ok=True)  # a process that was killed left it
    writing.touch(mode=0o600, exist_ok=False)
    try:
        shutil.copyfile(source, writing)
        handle = os.open(writing, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        writing.rename(target)
    except OSError:
        writing.unlink(missing_ok=True)
        raise
