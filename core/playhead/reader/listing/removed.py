"""Invocations that the server has and the store does not: archived, deleted, or never copied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from playhead.errors import QueryError, RecorderError
from playhead.reader.listing.live import LiveInvocations
from playhead.record.client import StoreClient

__all__ = ["TOO_MANY", "RemovedInvocations"]

MOST = 100_000
"""Ids that the server lists at most."""
TOO_MANY = (
    f"The server has more than {MOST:,} invocations that ended before the last archived or deleted "
    "one: totals leave some of them out."
)
TOO_MANY_UNCOPIED = (
    f"The server has more than {MOST:,} invocations, which are not copied: totals leave some of "
    "them out."
)

# The progress of the copies is kept. Both counts are metadata.
_NUMBER = (
    "SELECT (SELECT count(*) FROM journal_copies) - (SELECT count(*) FROM invocations) AS removed"
)
_UNTIL = (
    "SELECT max(modified_ms) AS until FROM journal_copies"
    " WHERE final AND id NOT IN (SELECT id FROM invocations)"
)
_STORED = "SELECT id FROM invocations WHERE id IN (SELECT unnest(?::VARCHAR[]))"


class RemovedInvocations:
    """The ids of such invocations.

    The server is only asked again when others are removed, and each time while nothing is copied.
    """

    def __init__(self, live: LiveInvocations, store: StoreClient) -> None:
        """Take both sources."""
        self._live = live
        self._store = store
        self._number = 0
        self._ids: list[str] = []

    async def number(self) -> int | None:
        """Return how many were removed from the store; None if it cannot be read."""
        try:
            [row] = await self._store.rows(_NUMBER)
        except (RecorderError, QueryError):  # those who need the number say why
            return None
        return int(row["removed"])

    async def ids(
        self, number: int | None = None, *, uncopied: bool = False
    ) -> tuple[list[str], tuple[str, ...]]:
        """Return ids that the server may have and the store does not, and what is left out.

        Args:
            number: How many were removed from the store; None to read it.
            uncopied: Whether invocations are missing because nothing is copied.

        Raises:
            RestateError: The server does not answer.
            RecorderError: The store cannot be read.
            QueryError: The store was written by an older recorder.
        """
        if uncopied:
            return await self._without_stored(await self._live.ids(MOST + 1), TOO_MANY_UNCOPIED)
        if number is None:
            [row] = await self._store.rows(_NUMBER)
            number = int(row["removed"])
        if number <= 0:
            return [], ()
        if number != self._number:
            [found] = await self._store.rows(_UNTIL)
            if found["until"] is not None:
                until = datetime.fromtimestamp(found["until"] / 1000, UTC)
                self._ids = await self._live.ended_until(until, MOST + 1)
            self._number = number
        return await self._without_stored(self._ids, TOO_MANY)

    async def _without_stored(
        self, found: Sequence[str], too_many: str
    ) -> tuple[list[str], tuple[str, ...]]:
        ids = found[:MOST]
        stored = {str(row["id"]) for row in await self._store.rows(_STORED, [ids])}
        left_out = (too_many,) if len(found) > MOST else ()
        return [id_ for id_ in ids if id_ not in stored], left_out
