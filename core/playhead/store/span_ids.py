"""An exact set of the span ids in the store: 8 bytes per span, no index in the database.

A unique index in DuckDB costs half of the write speed, and looking for duplicates by scanning
costs more with every stored span.
"""

from __future__ import annotations

import binascii
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

from playhead.store.arrow import pa, pc

__all__ = ["SpanIdSet", "id_numbers"]

MERGE_AT = 100_000
"""Number of new ids, or an eighth of the sorted ones if these are more, that are sorted at once."""
DIGITS = 16
"""Hexadecimal digits of a span id."""


def id_numbers(ids: Any) -> Sequence[int]:
    """Return span ids (a chunked Arrow array of hex text) as numbers."""
    numbers = array("Q")
    for chunk in ids.chunks:
        _, offsets, text = chunk.buffers()
        if not len(chunk):
            continue
        places: Any = memoryview(offsets).cast("i")
        first, last = places[chunk.offset], places[chunk.offset + len(chunk)]
        if last - first != DIGITS * len(chunk):
            return [int(id_, 16) for id_ in ids.to_pylist()]
        numbers.frombytes(binascii.unhexlify(memoryview(text)[first:last]))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


class SpanIdSet:
    """A growing set of 64-bit numbers: a sorted array, and a small set of the newest ones."""

    def __init__(self, ids: Any = None) -> None:
        """Start with these numbers (a chunked Arrow array of uint64, any order)."""
        self._sorted: memoryview[int] = memoryview(b"").cast("Q")
        self._array: Any = pa.array([], pa.uint64())
        self._new: set[int] = set()
        if ids is not None:
            self._replace(ids)

    def __len__(self) -> int:
        return len(self._sorted) + len(self._new)

    def __contains__(self, id_: int) -> bool:
        if id_ in self._new:
            return True
        at = bisect_left(self._sorted, id_)
        return at < len(self._sorted) and self._sorted[at] == id_

    def known(self, ids: Iterable[int]) -> set[int]:
        """Return those of these ids that are in the set."""
        numbers = ids if isinstance(ids, array) else array("Q", ids)
        found = self._new.intersection(numbers)
        if numbers and len(self._array):
            content = [None, pa.py_buffer(numbers)]
            wanted = pa.Array.from_buffers(pa.uint64(), len(numbers), content)
            places = pc.search_sorted(self._array, wanted)
            last = pa.scalar(len(self._array) - 1, places.type)
            nearest = self._array.take(pc.min_element_wise(places, last))
            found.update(wanted.filter(pc.equal(nearest, wanted)).to_pylist())
        return found

    def add(self, ids: Iterable[int]) -> None:
        """Add ids to the set."""
        self._new.update(ids)
        if len(self._new) >= max(MERGE_AT, len(self._sorted) // 8):
            newest = array("Q", self._new)
            content = [None, pa.py_buffer(newest)]
            self._replace(pa.chunked_array([
                self._array, pa.Array.from_buffers(pa.uint64(), len(newest), content)
            ]))  # fmt: skip
            self._new = set()

    def _replace(self, numbers: Any) -> None:
        if len(numbers):
            together = pa.concat_arrays(numbers.chunks)
            self._array = together.take(pc.sort_indices(together))
            # A view of Arrow's memory: Python numbers would take five times as much.
            self._sorted = memoryview(self._array.buffers()[1]).cast("Q")
