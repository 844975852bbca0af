"""Settings of the process' allocators, so that the memory of large groups returns to the system.

Arrow's own pool and the heaps of glibc keep what was freed: the recorder took 200 MB more.
"""

from __future__ import annotations

import ctypes

from playhead.store.arrow import pa

__all__ = ["return_freed_memory"]

# From glibc's malloc.h.
_MMAP_THRESHOLD = -3
_ARENA_MAX = -8
THRESHOLD_BYTES = 128 * 1024
"""Size from which memory is returned as soon as it is freed. Without a value, glibc raises it."""


def return_freed_memory() -> None:
    """Let the memory of freed objects return to the system soon, as far as the platform can."""
    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, THRESHOLD_BYTES)
        mallopt(_ARENA_MAX, 1)
