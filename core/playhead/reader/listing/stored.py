"""Invocations from the store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from playhead.errors import QueryError, QueryLimitError
from playhead.filters.language import Filter
from playhead.filters.store import StoreCondition
from playhead.model import Invocation, Order
from playhead.reader.listing.attempt_facts import Period, StoredAttempts
from playhead.reader.listing.endings import Endings
from playhead.reader.listing.matching import matching
from playhead.reader.listing.order_sql import (
    CALL_FIGURES_JOIN,
    CALL_SORTS,
    add_call_figures,
    stored_order,
)
from playhead.reader.listing.reasons import commands_by_id, pause_failure
from playhead.reader.listing.recent import Recent
from playhead.reader.listing.rows import invocation_of
from playhead.reader.listing.span_outlines import SpanOutlines
from playhead.reader.listing.stored_counts import COUNTS, OLDER_COUNTS, Counts, counts_of
from playhead.reader.listing.stored_spans import StoredSpans
from playhead.reader.listing.text_search import search_parts
from playhead.reader.listing.waiting import Queue
from playhead.record.client import StoreClient
from playhead.record.shared_requests import together
from playhead.restate.rows import EventRow, JournalRow, event_row, journal_row, parse_bytes
from playhead.store.attempt_counts import ATTEMPTS_OF, PERIODS
from playhead.store.calls.counts import COUNTS_OF
from playhead.store.kept_queries import NEWEST_IDS
from playhead.store.kept_rows import INVOCATIONS_OF
from playhead.store.raised_errors import RAISED_CTE
from playhead.values import as_int, as_text

__all__ = ["FoundFigures", "StoredInvocations"]

_FIGURES = f"""
SELECT 'attempts' AS part, * FROM ({ATTEMPTS_OF})
UNION ALL BY NAME SELECT 'period' AS part, * FROM ({PERIODS})
UNION ALL BY NAME SELECT 'counts' AS part, * FROM ({COUNTS_OF})
"""
"""All of these in one request."""
FEW = 10
"""Number of invocations up to which that takes less: a recorder keeps the answers to the parts."""

_NEWEST = """
coalesce(i.created_at, '-infinity') >= coalesce((
  SELECT CASE WHEN count(created_at) >= {limit} THEN max(created_at, {limit})[-1] END
  FROM invocations
), '-infinity')
"""
"""Condition that the newest rows meet. Fewer ids are read then, to order rows of the same time."""
_SINCE = "i.created_at >= ?::TIMESTAMPTZ"
"""Condition that takes a sixth of that time, because no time has to be found first."""

_QUEUES = """
WITH wanted AS (
  SELECT id, target_service_name AS service, target_service_key AS key
  FROM invocations WHERE id IN (SELECT unnest(?::VARCHAR[]))
), keyed AS (
  SELECT id, status, target_service_name AS service, target_service_key AS key,
    coalesce(inboxed_at, created_at) AS since
  FROM invocations
  WHERE (target_service_name, target_service_key) IN (SELECT (service, key) FROM wanted)
    AND status <> 'completed'
), queued AS (
  SELECT id, row_number() OVER (PARTITION BY service, key ORDER BY since, id) AS place
  FROM keyed WHERE status IN ('pending', 'inboxed')
), holders AS (
  SELECT service, key, any_value(id) AS id FROM keyed
  WHERE status NOT IN ('pending', 'inboxed', 'scheduled')
  GROUP BY service, key HAVING count(*) = 1
)
SELECT wanted.id AS id, queued.place AS place, holders.id AS holder
FROM wanted LEFT JOIN queued USING (id) LEFT JOIN holders USING (service, key)
"""
"""Places in the queues. A running shared handler is indistinguishable from the holder of the lock,
so that the holder is named only where it is the one invocation that has started."""


@dataclass
class FoundFigures:
    """Attempts and counts of listed invocations, which were read in the request of their rows."""

    ids: set[str] = field(default_factory=set[str])
    attempts: StoredAttempts = field(default_factory=lambda: StoredAttempts({}, ()))
    counts: dict[str, Counts] = field(default_factory=dict[str, Counts])


class StoredInvocations:
    """The invocations of the store. Every method raises RecorderError or QueryError."""

    def __init__(self, client: StoreClient) -> None:
        self.client = client
        self.spans = StoredSpans(client)
        self.outlines = SpanOutlines(client)
        self._endings = Endings("journal")
        self._invocations = Recent[Invocation]()
        self._counts = Recent[Counts]()
        self._counts_of_ids = True
        """Whether the recorder takes queries of attempts and counts with ids that it finds."""
        self._since: tuple[int, str] | None = None
        """A number of invocations, and a time since which at least as many were created."""

    def invocation(self, row: Mapping[str, Any]) -> Invocation:
        """Return the invocation in a row, without counts."""
        id_ = str(row["id"])
        found = self._invocations.get(id_, row)
        return found or self._invocations.put(id_, row, invocation_of(row, "stored"))

    async def newest(
        self,
        limit: int,
        wanted: Filter,
        now: datetime,
        before: tuple[datetime, str] | None,
        *,
        live: bool,
        figures: FoundFigures | None = None,
    ) -> list[dict[str, Any]]:
        """Return the rows of the newest invocations that match, newest first.

        Args:
            limit: Maximum number of invocations.
            wanted: Conditions.
            now: The time from which ages are counted.
            before: Creation time and id of an invocation; only older ones are returned.
            live: Whether the server's rows take precedence; see `store_condition`.
            figures: Receives figures of these invocations, if they take no request of their own.
        """
        more: tuple[str, list[Any]] = ("", [])
        if before:
            more = ("(i.created_at, i.id) < (?::TIMESTAMPTZ, ?)",
                    [before[0].isoformat(), before[1]])  # fmt: skip
        found: list[dict[str, Any]] = []
        # Copies that may be out of date match a text that the server's row may have.
        out_of_date = live and wanted.needs_store
        async for part in search_parts(self.client, wanted, before, live=out_of_date):
            if part is not None and part.ids is not None and not part.ids:
                continue
            made = await matching(self.client, wanted, now, live=live, within=part)
            left = int(limit) - len(found)
            order = f"ORDER BY i.created_at DESC, i.id DESC LIMIT {left}"
            if made.condition.where or made.condition.ctes or before:
                found += await self._selected(made.condition, order, more)
            else:
                found += await self._newest_of_all(made.condition, order, left, figures)
            if len(found) >= limit:
                break
        await self._endings.name(found, self.client.rows)
        return found

    async def _newest_of_all(
        self, condition: StoreCondition, order: str, limit: int, figures: FoundFigures | None
    ) -> list[dict[str, Any]]:
        """Return the newest rows without a filter.

        They are among those since any earlier time, if there are enough of these. There are fewer
        than in an earlier list only if some were deleted.
        """
        number, since = self._since or (0, "")
        rows: list[dict[str, Any]] = []
        if limit <= number:
            ids = f"{NEWEST_IDS}{limit}", [since]
            rows = await self._selected(condition, order, (_SINCE, [since]), ids, figures)
        if len(rows) < limit:
            number, self._since = 0, None
            newest = _NEWEST.format(limit=limit), list[Any]()
            rows = await self._selected(condition, order, newest, figures=figures)
        if rows and len(rows) == limit >= number and rows[-1]["created_at"]:
            self._since = limit, str(rows[-1]["created_at"])
        return rows

    async def _selected(
        self,
        condition: StoreCondition,
        order: str,
        more: tuple[str, list[Any]],
        ids: tuple[str, list[Any]] | None = None,
        figures: FoundFigures | None = None,
    ) -> list[dict[str, Any]]:
        """Return the rows of the first invocations that match, in an order.

        A recorder keeps rows in memory, so their ids are read first, which takes half of the time.

        Args:
            condition: What they match.
            order: Their order, and their number.
            more: Another condition.
            ids: A query of the ids whose answer is kept, too, with its parameters.
            figures: Receives figures of these invocations.
        """
        if self.client.keeps_rows:
            sql, params = ids or condition.select(f"i.id{condition.columns}", order, more)
            if figures is not None and self._counts_of_ids:
                heads, rows = await self._with_figures(sql, params, figures)
            else:
                heads, rows = await self.client.rows_of(sql, params, INVOCATIONS_OF)
            by_id = {row["id"]: row for row in rows}
            if len(by_id) == len(heads):
                return [by_id[head["id"]] | head for head in heads]
            # Some were deleted in between.
        return await self.client.rows(*condition.select(f"i.*{condition.columns}", order, more))

    async def _with_figures(
        self, sql: str, params: list[Any], figures: FoundFigures
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the ids of a query, and the rows of these invocations; read their figures too."""
        try:
            with together():
                (heads, rows, attempts, counts), periods = await asyncio.gather(
                    self.client.rows_of(sql, params, INVOCATIONS_OF, ATTEMPTS_OF, COUNTS_OF),
                    self._periods(),
                )
        except QueryLimitError:
            raise
        except QueryError:  # an older recorder
            self._counts_of_ids = False
            heads, rows = await self.client.rows_of(sql, params, INVOCATIONS_OF)
            return heads, rows
        if all(row["id"] is not None for row in counts):
            figures.ids = {str(head["id"]) for head in heads}
            figures.attempts = StoredAttempts(_by_id(attempts), periods)
            figures.counts = {str(row["id"]): self._counts_of(row) for row in counts}
        return heads, rows

    async def ordered(
        self, limit: int, wanted: Filter, now: datetime, order: Order
    ) -> list[dict[str, Any]]:
        """Return the rows of the first invocations that match, in an order.

        Args:
            limit: Maximum number of invocations.
            wanted: Conditions; the copies in the store decide.
            now: The time up to which durations grow, and from which ages are counted.
            order: The order.
        """
        counted = order.sort in CALL_SORTS
        found = await matching(
            self.client,
            wanted,
            now,
            live=False if wanted.has_wait else None,
            priced=order.sort == "cost",
            counted=counted,
        )
        if counted:
            add_call_figures(found.condition, found.calls, found.prices)
        if order.sort == "status":
            found.condition.add_cte(RAISED_CTE)
        direction = "ASC" if order.ascending else "DESC"
        sql, params = found.condition.select(
            f"i.*{found.condition.columns}",
            f"ORDER BY {stored_order(order.sort, now)} {direction}, i.created_at DESC, i.id DESC"
            f" LIMIT {int(limit)}",
            join=CALL_FIGURES_JOIN if counted else "",
        )
        rows = await self.client.rows(sql, params)
        await self._endings.name(rows, self.client.rows)
        return rows

    async def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of these invocations in any order; unknown ids are left out."""
        if not ids:
            return []
        found = await self.client.rows(INVOCATIONS_OF, [list(ids)])
        await self._endings.name(found, self.client.rows)
        return found

    async def figures(
        self, ids: Sequence[str], found: FoundFigures | None = None
    ) -> tuple[StoredAttempts, dict[str, Counts]]:
        """Return attempts and counts of these invocations, of a few in one request.

        Args:
            ids: The invocations.
            found: What was read of some of them a moment ago.
        """
        if found is None or not found.ids:
            return await self._figures(ids)
        missing = [id_ for id_ in ids if id_ not in found.ids]
        if not missing:
            return found.attempts, found.counts
        attempts, counts = await self._figures(missing)
        both = StoredAttempts({**found.attempts.found, **attempts.found}, attempts.watched)
        return both, {**found.counts, **counts}

    async def _figures(self, ids: Sequence[str]) -> tuple[StoredAttempts, dict[str, Counts]]:
        if not ids:
            return StoredAttempts({}, ()), {}
        rows: list[dict[str, Any]] = []
        with contextlib.suppress(QueryError):  # a store that an older recorder wrote
            rows = await self.client.rows(_FIGURES, [list(ids)] * 3) if len(ids) <= FEW else []
        parts: dict[str, list[dict[str, Any]]] = {"attempts": [], "period": [], "counts": []}
        for row in rows:
            parts[str(row["part"])].append(row)
        if not rows or any(row["id"] is None for row in parts["counts"]):
            attempts, counts = await asyncio.gather(self.attempts(ids), self.counts(ids))
            return attempts, counts
        return (
            StoredAttempts(_by_id(parts["attempts"]), _periods(parts["period"])),
            {str(row["id"]): self._counts_of(row) for row in parts["counts"]},
        )

    async def attempts(self, ids: Sequence[str]) -> StoredAttempts:
        """Return what the store knows about the attempts of these invocations."""
        if not ids:
            return StoredAttempts({}, ())
        rows, periods = await asyncio.gather(
            self.client.rows(ATTEMPTS_OF, [list(ids), list(ids)]), self._periods()
        )
        return StoredAttempts(_by_id(rows), periods)

    async def _periods(self) -> tuple[Period, ...]:
        try:
            rows = await self.client.rows(PERIODS)
        except QueryError:  # a store that an older recorder wrote
            return ()
        return _periods(rows)

    async def counts(self, ids: Sequence[str]) -> dict[str, Counts]:
        """Count LLM calls and tokens of these invocations, by id.

        The LLM calls are the rows of the view `llm_calls` that were answered.
        """
        if not ids:
            return {}
        return {str(row["id"]): self._counts_of(row) for row in await self._counted(list(ids))}

    def _counts_of(self, row: Mapping[str, Any]) -> Counts:
        id_ = str(row["id"])
        return self._counts.get(id_, row) or self._counts.put(id_, row, counts_of(row))

    async def _counted(self, ids: list[str]) -> list[dict[str, Any]]:
        try:
            rows = await self.client.rows(COUNTS_OF, [ids])
            if all(row["id"] is not None for row in rows):
                return rows
            return await self.client.rows(COUNTS, [ids] * 4)
        except QueryError:  # a store that an older recorder wrote
            pass
        try:
            return await self.client.rows(COUNTS, [ids] * 4)
        except QueryError:
            return await self.client.rows(OLDER_COUNTS, [ids] * 3)

    async def journal(self, invocation_id: str) -> list[JournalRow]:
        """Return the journal without payloads."""
        rows = await self.client.rows(
            'SELECT * EXCLUDE (raw) FROM journal WHERE id = ? ORDER BY "index"', [invocation_id]
        )
        return [journal_row(row) for row in rows]

    async def events(self, invocation_id: str) -> list[EventRow]:
        """Return failures and pauses, oldest first."""
        rows = await self.client.rows(
            "SELECT * FROM journal_events WHERE id = ? ORDER BY appended_at", [invocation_id]
        )
        return [event_row(row) for row in rows]

    async def payloads(self, invocation_id: str, indexes: Sequence[int]) -> dict[int, bytes]:
        """Return the `raw` bytes of these journal entries, by journal index."""
        if not indexes:
            return {}
        rows = await self.client.rows(
            'SELECT "index", hex(raw) AS raw FROM journal WHERE id = ?'
            ' AND "index" IN (SELECT unnest(?::UINTEGER[]))',
            [invocation_id, list(indexes)],
        )
        return {int(row["index"]): parse_bytes(row["raw"]) for row in rows}

    async def object_state(
        self, service: str, key: str, cluster: str | None
    ) -> Mapping[str, bytes]:
        """Return the state of a virtual object or workflow at its last copy, by key.

        Args:
            service: Name of the service.
            key: Its key.
            cluster: Its cluster; another one may have the same object. None if it is not known.
        """
        rows = await self.client.rows(
            "SELECT key, hex(value) AS value, cluster FROM state WHERE service_name = ?"
            " AND service_key = ? AND coalesce(cluster = ?, true) ORDER BY key",
            [service, key, cluster],
        )
        if len({row["cluster"] for row in rows}) > 1:
            return {}  # which one the invocation changed was not kept
        return {str(row["key"]): parse_bytes(row["value"]) for row in rows}

    async def awaited_commands(self, ids: Sequence[str]) -> Mapping[str, list[JournalRow]]:
        """Return the commands of these journals, by invocation id."""
        rows = await self.client.rows(
            "SELECT * EXCLUDE (raw) FROM journal WHERE id IN (SELECT unnest(?::VARCHAR[]))"
            " AND starts_with(entry_type, 'Command: ')",
            [list(ids)],
        )
        return commands_by_id(rows)

    async def pause_failures(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the error of the latest pause, by invocation id."""
        rows = await self.client.rows(
            "SELECT * FROM journal_events WHERE id IN (SELECT unnest(?::VARCHAR[]))"
            " AND event_type = 'Paused' ORDER BY appended_at",
            [list(ids)],
        )
        return {str(row["id"]): pause_failure(event_row(row)) for row in rows}

    async def queues(self, rows: Sequence[Invocation]) -> Mapping[str, Queue]:
        """Return the places of queued invocations at the last copy, by id."""
        found = await self.client.rows(_QUEUES, [[row.id for row in rows]])
        return {
            str(row["id"]): Queue(as_text(row["holder"]), as_int(row["place"]) or None)
            for row in found
        }

    async def statuses(self, ids: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """Return the rows of these invocations in any order; unknown ids are left out."""
        return await self.rows(ids)


def _by_id(rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(row["id"]): row for row in rows}


def _periods(rows: Iterable[Mapping[str, Any]]) -> tuple[Period, ...]:
    return tuple(
        Period(int(row["started"]), int(row["seen"]), as_text(row["cluster"])) for row in rows
    )
