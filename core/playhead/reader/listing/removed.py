"""Invocations that the server still has, although they were archived or deleted from the store."""

from __future__ import annotations

from datetime import UTC, datetime

from playhead.reader.listing.live import LiveInvocations
from playhead.record.client import StoreClient

__all__ = ["TOO_MANY", "RemovedInvocations"]

MOST = 100_000
"""Ids that the server lists at most."""
TOO_MANY = (
    f"The server has more than {MOST:,} invocations that ended before the last archived or deleted "
    "one: totals leave some of them out."
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
    """The ids of such invocations. The server is only asked again when others are removed."""

    def __init__(self, live: LiveInvocations, store: StoreClient) -> None:
        """Take both sources."""
        self._live = live
        self._store = store
        self._number = 0
        self._ids: list[str] = []

    async def ids(self) -> tuple[list[str], tuple[str, ...]]:
        """Return ids that the server may have and the store does not, and what is left out.

        Raises:
            RestateError: The server does not answer.
            RecorderError: The store cannot be read.
            QueryError: The store was written by an older recorder.
        """
        [row] = await self._store.rows(_NUMBER)
        if row["removed"] <= 0:
            return [], ()
        if row["removed"] != self._number:
            [found] = await self._store.rows(_UNTIL)
            if found["until"] is not None:
                until = datetime.fromtimestamp(found["until"] / 1000, UTC)
                self._ids = await self._live.ended_until(until, MOST + 1)
            self._number = row["removed"]
        ids = self._ids[:MOST]
        stored = {str(row["id"]) for row in await self._store.rows(_STORED, [ids])}
        left_out = (TOO_MANY,) if len(self._ids) > MOST else ()
        return [id_ for id_ in ids if id_ not in stored], left_out
