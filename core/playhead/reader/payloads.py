"""Payloads read along with a journal: bounded, and each entry once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol

from playhead.journal.entries import has_payload
from playhead.restate.rows import JournalRow

__all__ = ["MAX_BYTES", "Payloads"]

MAX_BYTES = 2 * 1024 * 1024
"""Payload bytes read along with one journal; larger ones are read when asked for."""

_REMEMBERED = 8


class PayloadSource(Protocol):
    """Gives the `raw` bytes of journal entries."""

    async def payloads(self, invocation_id: str, indexes: Sequence[int]) -> dict[int, bytes]:
        """By journal index; entries it does not have are absent."""
        ...


class Payloads:
    """Remembers the payloads of the few journals opened last: journal entries never change."""

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self._limit = limit
        self._known: OrderedDict[str, dict[tuple[int, str, int], bytes]] = OrderedDict()

    async def read_along(
        self, source: PayloadSource, invocation_id: str, journal: Sequence[JournalRow]
    ) -> Mapping[int, bytes]:
        """`raw` by index, smallest entries first until the limit is reached."""
        known = self._known.setdefault(invocation_id, {})
        self._known.move_to_end(invocation_id)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        chosen = self._choose(journal)
        unread = [row for row in chosen if _identity(row) not in known]
        came = await source.payloads(invocation_id, [row.index for row in unread])
        for row in unread:
            if row.index in came:
                known[_identity(row)] = came[row.index]
        return {row.index: known[_identity(row)] for row in chosen if _identity(row) in known}

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
