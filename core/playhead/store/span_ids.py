"""Which span ids are in the store already: exact, 8 bytes a span, no index in the database.

A unique index in DuckDB costs half of the write speed, and looking for duplicates by scanning
costs more with every span recorded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from playhead.store.arrow import pa, pc

__all__ = ["SeenKeys"]

MERGE_AT = 500_000


class SeenKeys:
    """A growing set of 64-bit numbers: a sorted array, and a small set of the newest."""

    def __init__(self, known: Any = None) -> None:
        """Start with these numbers (a chunked Arrow array of uint64, any order)."""
        self._sorted: memoryview[int] = memoryview(b"").cast("Q")
        self._array: Any = pa.array([], pa.uint64())
        self._new: set[int] = set()
        if known is not None:
            self._replace(known)

    def __len__(self) -> int:
        return len(self._sorted) + len(self._new)

    def __contains__(self, key: int) -> bool:
        if key in self._new:
            return True
        at = bisect_left(self._sorted, key)
        return at < len(self._sorted) and self._sorted[at] == key

    def add(self, keys: Iterable[int]) -> None:
        """Put keys in."""
        self._new.update(keys)
        if len(self._new) >= MERGE_AT:
            self._replace(pa.chunked_array([self._array, pa.array(self._new, pa.uint64())]))
            self._new = set()

    def _replace(self, numbers: Any) -> None:
        if len(numbers):
            self._array = pa.concat_arrays(numbers.take(pc.sort_indices(numbers)).chunks)
            # Looking at Arrow's memory: Python numbers would take five times as much.
            self._sorted = memoryview(self._array.buffers()[1]).cast("Q")
