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

NEW_IDS = 100_000
"""Number of new ids that are sorted at once. Unsorted, an id takes ten times as much memory."""
RUN_IDS = 8_000_000
"""Maximum number of ids that are sorted together, which takes three times their memory."""
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
    """A growing set of 64-bit numbers: sorted runs, and a small set of the newest ones.

    Two runs are merged as soon as the older one is not longer, so there are few.
    """

    def __init__(self, ids: Any = None) -> None:
        """Start with these numbers (a chunked Arrow array of uint64, any order)."""
        self._runs: list[_Run] = []
        self._new: set[int] = set()
        if ids is not None:
            for start in range(0, len(ids), RUN_IDS):
                self._runs.append(_Run(ids.slice(start, RUN_IDS)))

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs) + len(self._new)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._new or any(id_ in run for run in self._runs)

    def known(self, ids: Iterable[int]) -> set[int]:
        """Return those of these ids that are in the set."""
        numbers = ids if isinstance(ids, array) else array("Q", ids)
        found = self._new.intersection(numbers)
        if numbers and self._runs:
            wanted = _arrow(numbers)
            for run in self._runs:
                found.update(run.known(wanted))
        return found

    def add(self, ids: Iterable[int]) -> None:
        """Add ids to the set."""
        self._new.update(ids)
        if len(self._new) < NEW_IDS:
            return
        run = _Run(pa.chunked_array([_arrow(array("Q", self._new))]))
        self._new = set()
        runs = self._runs
        while runs and len(runs[-1]) <= len(run) and len(runs[-1]) + len(run) <= RUN_IDS:
            run = _Run(pa.chunked_array([runs.pop().ids, run.ids]))
        runs.append(run)


class _Run:
    """Sorted numbers."""

    def __init__(self, numbers: Any) -> None:
        """Sort these numbers, a chunked Arrow array that is not empty."""
        together = pa.concat_arrays(numbers.chunks)
        self.ids: Any = together.take(pc.sort_indices(together))
        # A view of Arrow's memory: Python numbers would take five times as much.
        self._numbers = memoryview(self.ids.buffers()[1]).cast("Q")

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, id_: int) -> bool:
        at = bisect_left(self._numbers, id_)
        return at < len(self._numbers) and self._numbers[at] == id_

    def known(self, wanted: Any) -> list[int]:
        """Return those numbers of an Arrow array that are in the run."""
        places = pc.search_sorted(self.ids, wanted)
        last = pa.scalar(len(self.ids) - 1, places.type)
        nearest = self.ids.take(pc.min_element_wise(places, last))
        found: list[int] = wanted.filter(pc.equal(nearest, wanted)).to_pylist()
        return found


def _arrow(numbers: array[int]) -> Any:
    """Return numbers as an Arrow array that shares their memory."""
    return pa.Array.from_buffers(pa.uint64(), len(numbers), [None, pa.py_buffer(numbers)])
