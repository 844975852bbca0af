"""What the recorder has kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playhead.decode.registry import MODEL_STEPS, decode_run
from playhead.journal.entries import run_result
from playhead.model import Span, Tokens
from playhead.reader.filters import Filters
from playhead.reader.spans import SPAN_COLUMNS, span
from playhead.record.client import StoreClient
from playhead.restate.rows import EventRow, JournalRow, event_row, journal_row, parse_bytes

__all__ = ["Counts", "Recorded"]

_STATUS = {
    "pending": "status = 'pending'",
    "inboxed": "status = 'inboxed'",
    "succeeded": "status = 'completed' AND completion_result IS DISTINCT FROM 'failure'",
    "failed": "status = 'completed' AND completion_result = 'failure' AND completion_failure"
    " NOT IN ('[409] killed', '[409] cancelled')",
    "killed": "completion_failure = '[409] killed'",
    "cancelled": "completion_failure = '[409] cancelled'",
}

_COUNTS = """
WITH mine AS (
  SELECT invocation_id AS id, name, end_unix_nano AS ended, status_code AS status,
    attributes->>'$."gen_ai.operation.name"' AS operation,
    attributes->>'$."playhead.replayed"' AS replayed,
    attributes->>'$."playhead.interrupted"' AS interrupted,
    (attributes->>'$."gen_ai.usage.input_tokens"')::BIGINT AS input_tokens,
    (attributes->>'$."gen_ai.usage.output_tokens"')::BIGINT AS output_tokens
  FROM spans WHERE invocation_id IN (SELECT unnest(?::VARCHAR[]))
), judged AS (
  SELECT *, operation IN ('chat', 'text_completion', 'generate_content') AS asked,
    ended IS NOT NULL AND status <> 'error' AND coalesce(replayed, '') <> 'true'
      AND coalesce(interrupted, '') <> 'true' AS done
  FROM mine
)
SELECT id, count(*) FILTER (starts_with(name, 'invocation-attempt')) AS attempts,
  count(*) FILTER (asked) AS requests, count(*) FILTER (asked AND done) AS answers,
  sum(input_tokens) FILTER (asked AND done) AS input_tokens,
  sum(output_tokens) FILTER (asked AND done) AS output_tokens
FROM judged GROUP BY id
"""
# The same rule as `playhead.decode.spans.answered`.

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


@dataclass(frozen=True, slots=True)
class Counts:
    """What the spans of one invocation add up to; None where there are no such spans."""

    attempts: int | None = None
    llm_calls: int | None = None
    tokens: Tokens | None = None


class Recorded:
    """Reads the recorder. Every method raises RecorderError or QueryError."""

    def __init__(self, source: StoreClient) -> None:
        self.source = source

    async def newest(self, limit: int, wanted: Filters) -> list[dict[str, Any]]:
        """Rows of the newest invocations, newest first."""
        where, params = _where(wanted)
        return await self.source.rows(
            f"SELECT * FROM invocations{where} ORDER BY created_at DESC, id DESC LIMIT ?",
            [*params, limit],
        )

    async def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Rows of these invocations, in no order."""
        if not ids:
            return []
        return await self.source.rows(
            "SELECT * FROM invocations WHERE id IN (SELECT unnest(?::VARCHAR[]))", [list(ids)]
        )

    async def counts(self, ids: Sequence[str]) -> dict[str, Counts]:
        """Attempts, LLM calls and tokens of these invocations, all in one query.

        A second one reads the LLM answers in the journals of those whose agents sent no spans,
        or were started again: a killed process takes the span of an answer with it that the
        journal has. What knows more answers counts.
        """
        if not ids:
            return {}
        rows = await self.source.rows(_COUNTS, [list(ids)])
        found = {str(row["id"]): _counts(row) for row in rows}
        doubtful = [
            id_
            for id_ in ids
            if (seen := found.get(id_, Counts())).llm_calls is None or (seen.attempts or 0) > 1
        ]
        kept = await self._journaled(doubtful) if doubtful else {}
        for id_, (calls, tokens) in kept.items():
            seen = found.get(id_, Counts())
            if calls > (seen.llm_calls or 0):
                found[id_] = replace(seen, llm_calls=calls, tokens=tokens)
        return found

    async def _journaled(self, ids: Sequence[str]) -> dict[str, tuple[int, Tokens]]:
        """LLM answers in these journals, and their tokens."""
        rows = await self.source.rows(_JOURNALED, [list(ids), list(MODEL_STEPS), list(ids)])
        found: dict[str, tuple[int, Tokens]] = {}
        for row in rows:
            llm = decode_run(row["name"], run_result(parse_bytes(row["raw"])), known=True).llm
            if llm is not None:
                calls, tokens = found.get(str(row["id"]), (0, Tokens()))
                found[str(row["id"])] = (calls + 1, tokens + (llm.tokens or Tokens()))
        return found

    async def journal(self, invocation_id: str) -> list[JournalRow]:
        """The journal without payloads."""
        rows = await self.source.rows(
            'SELECT * EXCLUDE (raw) FROM journal WHERE id = ? ORDER BY "index"', [invocation_id]
        )
        return [journal_row(row) for row in rows]

    async def events(self, invocation_id: str) -> list[EventRow]:
        """Failures and pauses, oldest first."""
        rows = await self.source.rows(
            "SELECT * FROM journal_events WHERE id = ? ORDER BY appended_at", [invocation_id]
        )
        return [event_row(row) for row in rows]

    async def payloads(self, invocation_id: str, indexes: Sequence[int]) -> dict[int, bytes]:
        """The `raw` bytes of these journal entries."""
        if not indexes:
            return {}
        rows = await self.source.rows(
            'SELECT "index", hex(raw) AS raw FROM journal WHERE id = ?'
            ' AND "index" IN (SELECT unnest(?::UINTEGER[]))',
            [invocation_id, list(indexes)],
        )
        return {int(row["index"]): parse_bytes(row["raw"]) for row in rows}

    async def object_state(self, service: str, key: str) -> Mapping[str, bytes]:
        """The state of a virtual object or workflow when it was last copied."""
        rows = await self.source.rows(
            "SELECT key, hex(value) AS value FROM state WHERE service_name = ?"
            " AND service_key = ? ORDER BY key",
            [service, key],
        )
        return {str(row["key"]): parse_bytes(row["value"]) for row in rows}

    async def spans(self, invocation_id: str) -> list[Span]:
        """The spans of one invocation in order of start."""
        rows = await self.source.rows(
            f"SELECT {', '.join(SPAN_COLUMNS)} FROM spans WHERE invocation_id = ?"
            " ORDER BY start_unix_nano, span_id",
            [invocation_id],
        )
        return [span(row) for row in rows]


def _counts(row: Mapping[str, Any]) -> Counts:
    tokens = Tokens(int(row["input_tokens"] or 0), int(row["output_tokens"] or 0))
    spoke = bool(row["requests"])
    return Counts(
        attempts=int(row["attempts"]) or None,
        llm_calls=int(row["answers"]) if spoke else None,
        tokens=tokens if spoke else None,
    )


def _where(wanted: Filters) -> tuple[str, list[Any]]:
    conditions: list[str] = []
    params: list[Any] = []

    def add(condition: str, *values: Any) -> None:
        conditions.append(condition)
        params.extend(values)

    if wanted.statuses:
        plain = re.compile(r"[a-z-]+")
        chosen = [_STATUS.get(s, f"status = '{s}'") for s in wanted.statuses if plain.fullmatch(s)]
        add("(" + " OR ".join(f"({c})" for c in chosen) + ")" if chosen else "false")
    if wanted.service:
        add("target_service_name = ?", wanted.service)
    if wanted.text:
        add("(contains(lower(target), ?) OR contains(lower(id), ?))", *[wanted.text.lower()] * 2)
    if wanted.invoked_by:
        add("invoked_by_id = ?", wanted.invoked_by)
    if wanted.id_prefix:
        add("starts_with(id, ?)", wanted.id_prefix)
    if wanted.since:
        add("created_at >= ?::TIMESTAMPTZ", wanted.since.isoformat())
    if wanted.before:
        at, last = wanted.before[0].isoformat(), wanted.before[1]
        add("(created_at, id) < (?::TIMESTAMPTZ, ?)", at, last)
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), params
