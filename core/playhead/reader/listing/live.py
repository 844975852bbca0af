"""Invocations from a Restate server."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from playhead.filters.language import Filter
from playhead.filters.server import of_ids, server_condition
from playhead.model import GroupKey, Invocation, Order
from playhead.model.status import server_status_name, status_of
from playhead.reader.listing.endings import Endings
from playhead.reader.listing.order_sql import server_group, server_order
from playhead.reader.listing.reasons import commands_by_id, pause_failure
from playhead.reader.listing.waiting import Queue
from playhead.record.client import StoreClient
from playhead.restate import queries
from playhead.restate.client import RestateClient
from playhead.restate.rows import (
    EventRow,
    JournalRow,
    event_row,
    journal_row,
    parse_bytes,
    parse_time,
)

__all__ = ["LiveInvocations", "Place", "ServerChanges"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
IDS = 2000
"""Ids in one query: the server refuses requests above 2 MB."""


HEX_BYTES = 1024 * 1024
"""Length above which an entry is read as bytes: as JSON, it takes six times its size in memory."""
MOST_ENDINGS = 2000
"""Rows with the text of a kill or a cancellation whose journals are read to count statuses."""
UNCERTAIN = (
    f"More than {MOST_ENDINGS:,} invocations were killed or cancelled, or failed with the same "
    "text: totals count the older ones as killed or cancelled."
)

Place = tuple[datetime, str]
"""Creation time and id: the order of the list. No two invocations share a place."""


@dataclass(frozen=True, slots=True)
class ServerChanges:
    """What shows which invocations have changed on the server."""

    active: Mapping[str, Mapping[str, Any]]
    """The invocations that are running or being retried, by id, with in_flight, retry_count,
    last_start_at, next_retry_at and last_failure; not the suspended and waiting ones."""
    modified: Mapping[str, datetime]
    """When the given invocations were last modified, by id, without those that were deleted. A
    failed attempt is no modification."""
    newest: Mapping[str, datetime]
    """When the last modified of all invocations were modified, by id; empty without a scan."""


class LiveInvocations:
    """The invocations of a Restate server. Every method raises RestateError."""

    def __init__(self, client: RestateClient, store: StoreClient | None = None) -> None:
        """Take the server, and a store with copies of journals that it has deleted."""
        self.client = client
        self.cluster = ""
        """Cluster of the server that returned the last rows."""
        self._endings = Endings("sys_journal", store.rows if store else None)

    async def places(
        self, limit: int, wanted: Filter, now: datetime, before: Place | None
    ) -> list[Place]:
        """Return creation time and id of the newest invocations, newest first.

        Args:
            limit: Maximum number of invocations.
            wanted: Conditions; those that only the store can answer are left out.
            now: The time from which ages are counted.
            before: The place of an invocation; only older ones are returned.
        """
        condition = server_condition(wanted, now)
        sql = queries.ids(limit, condition.sql, needs_state=condition.needs_state, before=before)
        found = await self.client.query(sql)
        return [(parse_time(row["created_at"]) or EPOCH, str(row["id"])) for row in found]

    async def ordered(self, limit: int, wanted: Filter, now: datetime, order: Order) -> list[str]:
        """Return the ids of the first invocations in an order that the server knows."""
        raised = (await self._raised())[0] if order.sort == "status" else None
        condition = server_condition(wanted, now, raised)
        by = server_order(order.sort, now, of_ids(raised or ()))
        direction = "ASC" if order.ascending else "DESC"
        needs_state = condition.needs_state or "sis." in by
        sql = queries.ids(limit, condition.sql, needs_state=needs_state, order=(by, direction))
        return [str(row["id"]) for row in await self.client.query(sql)]

    async def grouped(
        self,
        wanted: Filter,
        now: datetime,
        by: GroupKey | None,
        among: Sequence[str] | None = None,
    ) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        """Return the number of invocations by name and status, and what is uncertain about it.

        See `queries.grouped`.

        Args:
            wanted: Conditions; those that only the store can answer are left out.
            now: The time from which ages are counted.
            by: What the invocations of a group have in common.
            among: Only these invocations.
        """
        raised, uncertain = await self._raised()
        condition = server_condition(wanted, now, raised)
        own = of_ids(raised)
        name = server_group(by, own) if by else "''"
        status = server_status_name(own)
        rows: list[dict[str, Any]] = []
        for where in _among(condition.sql, among):
            rows += await self.client.query(queries.grouped(name, status, where))
        return rows, uncertain

    async def by_minute(
        self,
        wanted: Filter,
        now: datetime,
        since: datetime,
        among: Sequence[str] | None = None,
    ) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        """Return the numbers of started and failed invocations by minute since 1970.

        The second value is what is uncertain about them. Arguments as for `grouped`.
        """
        # Only ends since then are counted.
        raised, uncertain = await self._raised(since)
        condition = server_condition(wanted, now, raised)
        status = server_status_name(of_ids(raised))
        rows: list[dict[str, Any]] = []
        for where in _among(condition.sql, among):
            rows += await self.client.query(queries.by_minute(status, where, since))
        return rows, uncertain

    async def ended_until(self, until: datetime, limit: int) -> list[str]:
        """Return the ids of invocations that ended by a time."""
        return [
            str(row["id"]) for row in await self.client.query(queries.ended_until(until, limit))
        ]

    async def ids(self, limit: int) -> list[str]:
        """Return the ids of invocations in any order."""
        return [str(row["id"]) for row in await self.client.query(queries.some_ids(limit))]

    async def _raised(self, since: datetime | None = None) -> tuple[list[str], tuple[str, ...]]:
        """Return the invocations whose handler failed with the text of a kill or a cancellation.

        The second value says so if not all rows with such a text were looked at.

        Args:
            since: Only those that ended at this time or later.
        """
        rows = await self.client.query(queries.looks_ended(MOST_ENDINGS + 1, since))
        await self._endings.name(rows[:MOST_ENDINGS], self.client.query)
        raised = [str(row["id"]) for row in rows if status_of(row) == "failed"]
        return raised, (UNCERTAIN,) if len(rows) > MOST_ENDINGS else ()

    async def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of these invocations in any order; unknown ids are left out."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(ids), IDS):
            found += await self.client.query(queries.invocations(ids[start : start + IDS]))
        await self._endings.name(found, self.client.query)
        if ids:
            self.cluster = await self.client.cluster()
        for row in found:
            row["cluster"] = self.cluster
        return found

    async def changes(
        self, ids: Sequence[str], newest: int, since: datetime | None
    ) -> ServerChanges:
        """Return what shows that invocations have changed; see `queries.changes`."""
        found: dict[str, list[dict[str, Any]]] = {"active": [], "given": [], "newest": []}
        for row in await self.client.query(queries.changes(ids, newest, since)):
            found[row.pop("kind")].append(row)
        return ServerChanges(
            {str(row["id"]): row for row in found["active"]},
            _times(found["given"]),
            _times(found["newest"]),
        )

    async def journal(self, invocation_id: str) -> list[JournalRow]:
        """Return the journal without payloads."""
        rows = await self.client.query(queries.journal(invocation_id))
        return [journal_row(row) for row in rows]

    async def events(self, invocation_id: str) -> list[EventRow]:
        """Return failures and pauses, oldest first."""
        rows = await self.client.query(queries.events(invocation_id))
        return [event_row(row) for row in rows]

    async def payloads(self, invocation_id: str, indexes: Sequence[int]) -> dict[int, bytes]:
        """Return the `raw` bytes of these journal entries, by journal index."""
        if not indexes:
            return {}
        rows = await self.client.query(
            queries.journal_payloads(invocation_id, indexes, most=HEX_BYTES)
        )
        found = {int(row["index"]): parse_bytes(row.get("raw")) for row in rows}
        if large := [index for index in indexes if index not in found]:
            table = await self.client.query_arrow(queries.journal_payloads(invocation_id, large))
            columns = (table.column(name).to_pylist() for name in ("index", "raw"))
            found |= {int(index): raw or b"" for index, raw in zip(*columns, strict=True)}
        return found

    async def object_state(
        self, service: str, key: str, cluster: str | None
    ) -> Mapping[str, bytes]:
        """Return the state of a virtual object or workflow of this server, by key."""
        rows = await self.client.query(queries.object_state(service, key))
        return {str(row["key"]): parse_bytes(row.get("value")) for row in rows}

    async def awaited_commands(self, ids: Sequence[str]) -> Mapping[str, list[JournalRow]]:
        """Return the commands that an invocation can wait for, by invocation id."""
        return commands_by_id(await self.client.query(queries.awaited_commands(ids)))

    async def pause_failures(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the error of the latest pause, by invocation id."""
        rows = await self.client.query(queries.pauses(ids))
        return {str(row["id"]): pause_failure(event_row(row)) for row in rows}

    async def queues(self, rows: Sequence[Invocation]) -> Mapping[str, Queue]:
        """Return the places of queued invocations, by id."""
        found = await self.client.query(queries.queues([row.id for row in rows]))
        holders = {
            (row["service_name"], row["service_key"]): row["holder"]
            for row in found
            if row.get("holder")
        }
        places = {row["id"]: row["place"] for row in found if row.get("id")}
        return {
            row.id: Queue(holders.get((row.service, row.key)), places.get(row.id)) for row in rows
        }

    async def statuses(self, ids: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """Return id, target and the columns of the status; unknown ids are left out."""
        return await self.client.query(queries.statuses(ids))


def _among(condition: str, ids: Sequence[str] | None) -> list[str]:
    """Return a condition, or one for each part of some ids."""
    if ids is None:
        return [condition]
    parts = (ids[start : start + IDS] for start in range(0, len(ids), IDS))
    return [" AND ".join(filter(None, (of_ids(part), condition))) for part in parts]


def _times(rows: Sequence[Mapping[str, Any]]) -> dict[str, datetime]:
    found = ((str(row["id"]), _time(row.get("modified_at"))) for row in rows)
    return {id_: at for id_, at in found if at}


@functools.lru_cache(maxsize=2048)
def _time(text: str | None) -> datetime | None:
    """Return a time: most are those of the answer before."""
    return parse_time(text)
