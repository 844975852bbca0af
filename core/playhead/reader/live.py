"""What a Restate server has now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from playhead.reader.filters import Filters
from playhead.restate import queries
from playhead.restate.client import RestateClient
from playhead.restate.rows import (
    EventRow,
    JournalRow,
    event_row,
    journal_row,
    parse_bytes,
)

__all__ = ["Live"]


class Live:
    """Reads the admin API. Every method raises RestateError."""

    def __init__(self, client: RestateClient) -> None:
        self.client = client

    async def newest(self, limit: int, wanted: Filters) -> list[dict[str, Any]]:
        """Rows of the newest invocations, newest first: ids first, then their rows by id."""
        found = await self.client.query(
            queries.ids(
                limit,
                statuses=wanted.statuses,
                service=wanted.service,
                text=wanted.text,
                before=wanted.before,
                since=wanted.since,
                invoked_by=wanted.invoked_by,
                id_prefix=wanted.id_prefix,
            )
        )
        order = [str(row["id"]) for row in found]
        rows = {str(row["id"]): row for row in await self.rows(order)}
        return [rows[id_] for id_ in order if id_ in rows]

    async def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Rows of these invocations, in no order; those it does not have are left out."""
        return await self.client.query(queries.invocations(ids)) if ids else []

    async def journal(self, invocation_id: str) -> list[JournalRow]:
        """The journal without payloads."""
        rows = await self.client.query(queries.journal(invocation_id))
        return [journal_row(row) for row in rows]

    async def events(self, invocation_id: str) -> list[EventRow]:
        """Failures and pauses, oldest first."""
        rows = await self.client.query(queries.events(invocation_id))
        return [event_row(row) for row in rows]

    async def payloads(self, invocation_id: str, indexes: Sequence[int]) -> dict[int, bytes]:
        """The `raw` bytes of these journal entries."""
        if not indexes:
            return {}
        rows = await self.client.query(queries.journal_payloads(invocation_id, indexes))
        return {int(row["index"]): parse_bytes(row.get("raw")) for row in rows}

    async def object_state(self, service: str, key: str) -> Mapping[str, bytes]:
        """The state of a virtual object or workflow."""
        rows = await self.client.query(queries.object_state(service, key))
        return {str(row["key"]): parse_bytes(row.get("value")) for row in rows}
