"""Invocations from the store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playhead.conventions import (
    ANSWERED_LLM_CALL,
    ATTEMPT_SPAN,
    INPUT_TOKENS,
    LLM_CALL,
    OUTPUT_TOKENS,
    SUSPENDED_EVENT,
    name_sql,
    number_sql,
)
from playhead.decode.registry import MODEL_STEP_PATTERNS, decode_run
from playhead.errors import QueryError
from playhead.journal.entries import run_result
from playhead.model import Filters, Invocation, Span, Tokens
from playhead.model.status import ENDED, GONE, STATUSES, statuses_with, stored_status_sql
from playhead.reader.attempt_counts import StoredAttempts
from playhead.reader.endings import Endings
from playhead.reader.reasons import commands_by_id, pause_failure
from playhead.reader.rows import SPAN_COLUMNS, span_of
from playhead.reader.times import Spell, spells_of
from playhead.reader.waiting import Queue
from playhead.record.client import StoreClient
from playhead.restate.rows import EventRow, JournalRow, event_row, journal_row, parse_bytes
from playhead.store.attempt_counts import PERIODS, attempt_facts
from playhead.values import as_int, as_text

__all__ = ["Counts", "StoredInvocations"]

_COUNTS = f"""
WITH judged AS (
  SELECT invocation_id AS id, {name_sql(ATTEMPT_SPAN)} AS attempt,
    {LLM_CALL.sql()} AS request, {ANSWERED_LLM_CALL.sql()} AS answer,
    {number_sql(INPUT_TOKENS)} AS input_tokens, {number_sql(OUTPUT_TOKENS)} AS output_tokens
  FROM spans WHERE invocation_id IN (SELECT unnest(?::VARCHAR[]))
)
SELECT id, count(*) FILTER (attempt) AS attempts,
  count(*) FILTER (request) AS requests, count(*) FILTER (answer) AS answers,
  sum(input_tokens) FILTER (answer) AS input_tokens,
  sum(output_tokens) FILTER (answer) AS output_tokens
FROM judged GROUP BY id
"""

_ATTEMPTS = attempt_facts("{id} IN (SELECT unnest(?::VARCHAR[]))")

_JOURNALED = """
WITH models AS (
  SELECT id, (entry_lite_json->>'$.Command.Run.completion_id')::UINTEGER AS completion, name
  FROM journal WHERE entry_type = 'Command: Run' AND id IN (SELECT unnest(?::VARCHAR[]))
    AND list_bool_or([name LIKE pattern FOR pattern IN ?::VARCHAR[]])
)
SELECT models.id AS id, models.name AS name, hex(results.raw) AS raw
FROM models JOIN journal results ON results.id = models.id
  AND results.entry_type = 'Notification: Run'
  AND (results.entry_lite_json->>'$.Notification.id.CompletionId')::UINTEGER = models.completion
WHERE results.id IN (SELECT unnest(?::VARCHAR[]))
"""

_SPELLS = f"""
SELECT invocation_id AS id, to_timestamp(start_unix_nano / 1e9) AS started_at,
  to_timestamp(end_unix_nano / 1e9) AS ended_at, status_code,
  list_contains(json_extract_string(events, '$[*].name'), '{SUSPENDED_EVENT}') AS suspended
FROM spans WHERE {name_sql(ATTEMPT_SPAN)} AND invocation_id IN (SELECT unnest(?::VARCHAR[]))
ORDER BY start_unix_nano, span_id
"""

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


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts over the spans of one invocation; None if no span was recorded."""

    attempts: int | None = None
    """Spans of attempts, some of which may be missing."""
    llm_calls: int | None = None
    tokens: Tokens | None = None


class StoredInvocations:
    """The invocations of the store. Every method raises RecorderError or QueryError."""

    def __init__(self, client: StoreClient) -> None:
        self.client = client
        self._endings = Endings("journal")

    async def newest(self, limit: int, filters: Filters) -> list[dict[str, Any]]:
        """Return the rows of the newest invocations, newest first."""
        where, params = _where(filters)
        found = await self.client.rows(
            f"SELECT * FROM invocations{where} ORDER BY created_at DESC, id DESC LIMIT ?",
            [*params, limit],
        )
        await self._endings.name(found, self.client.rows)
        return found

    async def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of these invocations in any order; unknown ids are left out."""
        if not ids:
            return []
        found = await self.client.rows(
            "SELECT * FROM invocations WHERE id IN (SELECT unnest(?::VARCHAR[]))", [list(ids)]
        )
        await self._endings.name(found, self.client.rows)
        return found

    async def attempts(self, ids: Sequence[str]) -> StoredAttempts:
        """Return what the store knows about the attempts of these invocations."""
        if not ids:
            return StoredAttempts({}, ())
        rows, periods = await asyncio.gather(
            self.client.rows(_ATTEMPTS, [list(ids), list(ids)]), self._periods()
        )
        return StoredAttempts(
            {str(row["id"]): row for row in rows},
            periods,
        )

    async def _periods(self) -> tuple[tuple[int, int], ...]:
        try:
            rows = await self.client.rows(PERIODS)
        except QueryError:  # a store that an older recorder wrote
            return ()
        return tuple((int(row["started"]), int(row["seen"])) for row in rows)

    async def counts(self, ids: Sequence[str]) -> dict[str, Counts]:
        """Count LLM calls and tokens of these invocations, by id.

        One query counts spans. A second one reads the LLM answers in the journals of invocations
        without spans from agents, or with several attempts: a killed process loses spans of answers
        that are in the journal. The source with more answers counts.
        """
        if not ids:
            return {}
        rows = await self.client.rows(_COUNTS, [list(ids)])
        found = {str(row["id"]): _counts(row) for row in rows}
        uncertain = [
            id_
            for id_ in ids
            if (spans := found.get(id_, Counts())).llm_calls is None or (spans.attempts or 0) > 1
        ]
        journaled = await self._journaled(uncertain) if uncertain else {}
        for id_, (calls, tokens) in journaled.items():
            spans = found.get(id_, Counts())
            if calls > (spans.llm_calls or 0):
                found[id_] = replace(spans, llm_calls=calls, tokens=tokens)
        return found

    async def _journaled(self, ids: Sequence[str]) -> dict[str, tuple[int, Tokens]]:
        """Count the LLM answers in these journals, and add up their tokens."""
        rows = await self.client.rows(_JOURNALED, [list(ids), list(MODEL_STEP_PATTERNS), list(ids)])
        found: dict[str, tuple[int, Tokens]] = {}
        for row in rows:
            llm = decode_run(row["name"], run_result(parse_bytes(row["raw"])), has_result=True).llm
            if llm is not None:
                calls, tokens = found.get(str(row["id"]), (0, Tokens()))
                found[str(row["id"])] = (calls + 1, tokens + (llm.tokens or Tokens()))
        return found

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

    async def object_state(self, service: str, key: str) -> Mapping[str, bytes]:
        """Return the state of a virtual object or workflow at its last copy, by key."""
        rows = await self.client.rows(
            "SELECT key, hex(value) AS value FROM state WHERE service_name = ?"
            " AND service_key = ? ORDER BY key",
            [service, key],
        )
        return {str(row["key"]): parse_bytes(row["value"]) for row in rows}

    async def spells(self, ids: Sequence[str]) -> dict[str, list[Spell]]:
        """Return the attempts with a span of the server, by invocation id, in order of start."""
        found: dict[str, list[dict[str, Any]]] = {id_: [] for id_ in ids}
        for row in await self.client.rows(_SPELLS, [list(ids)]) if ids else ():
            found[str(row["id"])].append(row)
        return {id_: spells_of(rows) for id_, rows in found.items()}

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

    async def spans(self, invocation_id: str) -> list[Span]:
        """Return the spans of one invocation in order of start."""
        rows = await self.client.rows(
            f"SELECT {', '.join(SPAN_COLUMNS)} FROM spans WHERE invocation_id = ?"
            " ORDER BY start_unix_nano, span_id",
            [invocation_id],
        )
        return [span_of(row) for row in rows]


def _counts(row: Mapping[str, Any]) -> Counts:
    tokens = Tokens(int(row["input_tokens"] or 0), int(row["output_tokens"] or 0))
    has_requests = bool(row["requests"])
    return Counts(
        attempts=int(row["attempts"]) or None,
        llm_calls=int(row["answers"]) if has_requests else None,
        tokens=tokens if has_requests else None,
    )


def _stored_status(statuses: Sequence[str]) -> str:
    """Return the condition on the status; a copy that has not ended may be gone on the server."""
    may_be_gone = [status for status in STATUSES if status not in ENDED] if GONE in statuses else []
    return stored_status_sql({*statuses, *may_be_gone})


def _where(filters: Filters) -> tuple[str, list[Any]]:
    conditions: list[str] = []
    params: list[Any] = []

    def add(condition: str, *values: Any) -> None:
        conditions.append(condition)
        params.extend(values)

    if filters.statuses:
        add(_stored_status(filters.statuses))
    if filters.service:
        add("target_service_name = ?", filters.service)
    for word in filters.words:
        columns = ("id", "target", "coalesce(last_failure, completion_failure, '')")
        texts = [f"contains(lower({column}), ?)" for column in columns]
        add(f"({' OR '.join([*texts, _stored_status(statuses_with(word))])})", *[word] * 3)
    if filters.invoked_by:
        add("invoked_by_id = ?", filters.invoked_by)
    if filters.id_prefix:
        add("starts_with(id, ?)", filters.id_prefix)
    if filters.since:
        add("created_at >= ?::TIMESTAMPTZ", filters.since.isoformat())
    if filters.before:
        at, last = filters.before[0].isoformat(), filters.before[1]
        add("(created_at, id) < (?::TIMESTAMPTZ, ?)", at, last)
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), params
