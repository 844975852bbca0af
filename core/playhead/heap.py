"""When freed memory returns from the heap of the process to the system. For glibc only."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

__all__ = ["collect", "return_large_blocks", "trim"]

# From glibc's malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_ARENA_MAX = -8


def return_large_blocks(size: int, *, spare: int | None = None, arenas: int | None = None) -> None:
    """Return blocks from this size on to the system as soon as they are freed.

    Without a limit, glibc raises its own to the size of the first large block that is freed; those
    that follow then leave gaps in the heap.

    Args:
        size: Bytes of a block; glibc accepts no more than 32 MiB.
        spare: Freed bytes at the end of the heap from which they are returned.
        arenas: Number of heaps; one for each thread otherwise, up to a limit.
    """
    mallopt = _function("mallopt")
    if mallopt is not None:
        for name, value in (
            (_MMAP_THRESHOLD, size), (_TRIM_THRESHOLD, spare), (_ARENA_MAX, arenas),
        ):  # fmt: skip
            if value is not None:
                mallopt(name, value)


def trim() -> None:
    """Return the freed memory within the heap, too."""
    function = _function("malloc_trim")
    if function is not None:
        function(0)


def collect() -> None:
    """Free objects that refer to each other, and return their memory to the system."""
    gc.collect()
    trim()


def _function(name: str) -> Any:
    """Return a function of glibc; None with other C libraries."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # Windows
        return None
