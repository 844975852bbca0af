"""Settings of the process' allocators, so that the memory of large groups returns to the system.

Arrow's own pool and the heaps of glibc keep what was freed: the recorder took 200 MB more. But a
block that is returned at once has to be cleared by the system before its next use, which took a
fifth of the processor time of recording. So blocks are used again while spans arrive, and are
returned by `release_freed_memory` when a group of commits has ended.
"""

from __future__ import annotations

from playhead import heap
from playhead.store.arrow import pa

__all__ = ["release_freed_memory", "return_freed_memory"]

LARGE_BYTES = 32 * 1024 * 1024
"""Size from which memory is returned as soon as it is freed; glibc accepts no larger one."""
SPARE_BYTES = 8 * 1024 * 1024
"""Freed memory at the end of the heap from which it is returned. Glibc would raise both values."""


def return_freed_memory() -> None:
    """Let the memory of freed objects return to the system soon, as far as the platform can."""
    pa.set_memory_pool(pa.system_memory_pool())
    heap.return_large_blocks(LARGE_BYTES, spare=SPARE_BYTES, arenas=1)


def release_freed_memory() -> None:
    """Return the freed memory within the heap, too, as far as the platform can."""
    heap.trim()
