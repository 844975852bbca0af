"""The spans of one invocation in the store, with all they have."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from playhead.model import Span
from playhead.reader.listing.rows import SPAN_COLUMNS, SharedTexts, span_of
from playhead.record.client import StoreClient
from playhead.store.invocation_spans import ANY_TIME, IN_ORDER, OF_INVOCATION, UP_TO

__all__ = ["OUTLINE_BYTES", "StoredSpans"]

SPANS_AT_ONCE = 5000
FEW = 1000
"""Spans that are put in order here, as a read in order takes longer."""
_ORDER = ("start_unix_nano", "span_id", "trace_id")
LARGE = 500
"""Rows above which spans are made in a thread: screens stay responsive."""
OUTLINE_BYTES = 4_000_000
"""Size of attributes and events above which outlines of the spans are read."""

_WHOLE = ", ".join(SPAN_COLUMNS)
_FOLLOWING = (
    " FROM spans WHERE invocation_id = ? AND (start_unix_nano, span_id, trace_id) > (?, ?, ?)"
)


class StoredSpans:
    """Reads the spans of invocations."""

    def __init__(self, client: StoreClient) -> None:
        """Take a client of the store; its owner closes it."""
        self._client = client

    async def size(self, invocation_id: str) -> int:
        """Return the size of the attributes and events of an invocation's spans, in bytes."""
        [row] = await self._client.rows(
            f"SELECT sum(strlen(attributes) + strlen(events)) AS size{OF_INVOCATION}",
            [invocation_id, *ANY_TIME],
        )
        return int(row["size"] or 0)

    async def read(self, invocation_id: str) -> list[Span]:
        """Return the spans of an invocation in order of start.

        They are read in parts, so that a large trace stays below the limits of a query, and lets
        other tasks run.
        """
        found: list[Span] = []
        texts = SharedTexts()

        def make(rows: Sequence[Mapping[str, Any]]) -> list[Span]:
            return [span_of(row, texts) for row in rows]

        rows = await self._client.rows(
            f"SELECT {_WHOLE}{OF_INVOCATION}{UP_TO}{FEW + 1}", [invocation_id, *ANY_TIME]
        )
        if len(rows) <= FEW:
            rows.sort(key=itemgetter(*_ORDER))
            return await asyncio.to_thread(make, rows) if len(rows) > LARGE else make(rows)
        end, place = OF_INVOCATION, list[Any](ANY_TIME)
        while True:
            rows = await self._client.rows(
                f"SELECT {_WHOLE}{end}{IN_ORDER}{SPANS_AT_ONCE}", [invocation_id, *place]
            )
            found += await asyncio.to_thread(make, rows) if len(rows) > LARGE else make(rows)
            if len(rows) < SPANS_AT_ONCE:
                return found
            end = _FOLLOWING
            place = [rows[-1][name] for name in _ORDER]

    async def some(self, invocation_id: str, span_ids: Sequence[str]) -> list[Span]:
        """Return some spans of an invocation as they are stored, in any order."""
        if not span_ids:
            return []
        rows = await self._client.rows(
            f"SELECT {_WHOLE} FROM spans WHERE invocation_id = ?"
            " AND span_id IN (SELECT unnest(?::VARCHAR[]))",
            [invocation_id, list(span_ids)],
        )
        texts = SharedTexts()
        return [span_of(row, texts) for row in rows]
