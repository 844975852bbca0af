"""The payloads of journals: read up to a limit, and cached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol

from playhead.journal.entries import has_payload
from playhead.restate.rows import JournalRow

__all__ = ["MAX_BYTES", "Payloads"]

MAX_BYTES = 2 * 1024 * 1024
"""Bytes of payloads that are read with a journal; the others are read on demand."""

_CACHED_JOURNALS = 8


class PayloadSource(Protocol):
    """A source of the `raw` bytes of journal entries."""

    async def payloads(self, invocation_id: str, indexes: Sequence[int]) -> dict[int, bytes]:
        """Return the bytes by journal index; missing entries are left out."""
        ...


class Payloads:
    """A cache of the payloads of the journals opened last; journal entries never change."""

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self._limit = limit
        self._cache: OrderedDict[str, dict[tuple[int, str, int], bytes]] = OrderedDict()

    async def read(
        self, source: PayloadSource, invocation_id: str, journal: Sequence[JournalRow]
    ) -> Mapping[int, bytes]:
        """Return `raw` by journal index, the smallest entries up to the limit."""
        cached = self._cache.setdefault(invocation_id, {})
        self._cache.move_to_end(invocation_id)
        while len(self._cache) > _CACHED_JOURNALS:
            self._cache.popitem(last=False)
        chosen = self._choose(journal)
        unread = [row for row in chosen if _identity(row) not in cached]
        fetched = await source.payloads(invocation_id, [row.index for row in unread])
        for row in unread:
            if row.index in fetched:
                cached[_identity(row)] = fetched[row.index]
        return {row.index: cached[_identity(row)] for row in chosen if _identity(row) in cached}

    def _choose(self, journal: Sequence[JournalRow]) -> list[JournalRow]:
        chosen: list[JournalRow] = []
        size = 0
        for row in sorted(
            filter(has_payload, journal), key=lambda row: (row.raw_length, row.index)
        ):
            size += row.raw_length
            if size > self._limit:
                break
            chosen.append(row)
        return chosen


def _identity(row: JournalRow) -> tuple[int, str, int]:
    return row.index, row.entry_type, row.raw_length
