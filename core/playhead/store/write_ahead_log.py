"""The write-ahead log of the database, before DuckDB opens it.

DuckDB takes a log that begins with something else for one without commits, and writes over it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

__all__ = ["set_garbage_aside"]

_START = bytes.fromhex("6400626500")
"""How a log begins in every version of its format: an entry with its kind, then the version."""


def set_garbage_aside(path: Path) -> Path | None:
    """Rename a file that is no log of DuckDB; return its new name, or None if it is one.

    A process that was killed leaves the beginning of a log, which is one.

    Args:
        path: The log; it need not exist.

    Raises:
        OSError: It cannot be renamed.
    """
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        start = file.read(len(_START))
        if not _START.startswith(start):
            kept = next(
                name
                for number in range(1, 1_000_000)
                if not (name := path.with_name(f"{path.name}.set-aside-{number}")).exists()
            )
            return path.rename(kept)
    return None
