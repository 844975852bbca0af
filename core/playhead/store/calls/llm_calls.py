"""The writer of what the views of calls need beyond spans: duplicates, and answers without a span.

It runs in the transaction that changes spans or journals, so that readers never see a call twice.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from playhead.decode.registry import MODEL_STEP_PATTERNS, decode_run
from playhead.decode.spans import call_of
from playhead.journal.entries import run_result
from playhead.journal.llm_calls import ATTRIBUTES, Answer, Calls, CallSpan, call_span, find_calls
from playhead.model import LlmCall
from playhead.store.span_selection import SPANS_OF
from playhead.store.stale_figures import note_stale

if TYPE_CHECKING:
    import duckdb

    from playhead.store.database import Store

__all__ = ["rebuild_llm_calls", "update_llm_calls"]

VERSION = 2
"""Version of the rules of `find_calls`; a recorder with a newer one rebuilds the tables."""

CHUNK = 500
"""Invocations that are read at a time, which bounds memory."""
PAYLOADS = 64
"""Journaled answers that are decoded at a time."""
_BATCH = "incoming_calls"

_PATHS = [f'$."{name}"' for name in ATTRIBUTES]
_SPANS = f"""
SELECT invocation_id, trace_id, span_id, parent_span_id, name, start_unix_nano // 1000,
  end_unix_nano // 1000, status_code, json_extract_string(attributes, {_PATHS!r})
FROM spans WHERE {SPANS_OF} AND start_unix_nano IS NOT NULL
"""


def _entries(kind: str) -> str:
    """Return the condition for journal entries of a type, with a list of ids as `$ids`.

    As with `SPANS_OF`, the long columns of all other entries are not read.
    """
    return (
        "rowid IN (SELECT rowid FROM journal WHERE id IN (SELECT unnest($ids::VARCHAR[]))"
        f" AND entry_type = '{kind}')"
    )


_ANSWERS = f"""
WITH commands AS (
  SELECT id, "index", name,
    (entry_lite_json->>'$.Command.Run.completion_id')::UINTEGER AS completion
  FROM journal WHERE {_entries("Command: Run")}
    AND list_bool_or([name LIKE pattern FOR pattern IN $patterns::VARCHAR[]])
), results AS (
  SELECT id, epoch_us(appended_at) AS at,
    (entry_lite_json->>'$.Notification.id.CompletionId')::UINTEGER AS completion
  FROM journal WHERE {_entries("Notification: Run")} AND id IN (SELECT id FROM commands)
    AND coalesce(entry_lite_json->>'$.Notification.result', 'Success') <> 'Failure'
)
SELECT id, commands."index", completion, commands.name, results.at,
  invocations.restarted_from IS NOT NULL AND results.at < epoch_us(invocations.created_at)
FROM commands JOIN results USING (id, completion) LEFT JOIN invocations USING (id)
ORDER BY id, commands."index"
"""
_PAYLOADS = f"""
SELECT id, (entry_lite_json->>'$.Notification.id.CompletionId')::UINTEGER AS completion, raw
FROM journal WHERE {_entries("Notification: Run")}
  AND (id, completion) IN (SELECT unnest($ids::VARCHAR[]), unnest($completions::UINTEGER[]))
"""
_CONTENTS = """
SELECT span_id, attributes FROM spans
WHERE rowid IN (SELECT rowid FROM spans WHERE invocation_id IN (SELECT unnest($ids::VARCHAR[]))
  AND span_id IN (SELECT unnest($spans::VARCHAR[])))
"""

# In the order of their spans, so that each part of them reads one place of the table.
_ALL = """
SELECT id FROM (
  SELECT invocation_id AS id, min(rowid) AS place FROM spans
  WHERE invocation_id IS NOT NULL GROUP BY invocation_id
  UNION ALL SELECT id, NULL FROM invocations
) ORDER BY place NULLS LAST
"""

_NAME = "llm_calls"

_Names = dict[tuple[str, int], str]


def update_llm_calls(connection: duckdb.DuckDBPyConnection, ids: Collection[str]) -> None:
    """Update `duplicate_spans` and `journal_llm_calls` for these invocations.

    Args:
        connection: The writer's connection, in the transaction of the change.
        ids: The invocations with new or changed spans or journal entries.
    """
    ordered = sorted(ids)
    for start in range(0, len(ordered), CHUNK):
        _update(connection, ordered[start : start + CHUNK])


def rebuild_llm_calls(store: Store, stop: threading.Event) -> None:
    """Rebuild the tables if they were derived by older rules, in many short transactions.

    Args:
        store: The store.
        stop: Ends the work early when it is set; the next call starts again.
    """
    cursor = store.cursor()
    try:
        versions = cursor.execute("SELECT version FROM derived WHERE name = ?", [_NAME]).fetchall()
        if versions == [(VERSION,)]:
            return
        rows: list[tuple[str]] = cursor.execute(_ALL).fetchall()
    finally:
        cursor.close()
    ids = list(dict.fromkeys(id_ for (id_,) in rows))
    for start in range(0, len(ids), CHUNK):
        if stop.is_set():
            return
        with store.transaction() as connection:
            _update(connection, ids[start : start + CHUNK])
    with store.transaction() as connection:
        connection.execute("DELETE FROM derived WHERE name = ?", [_NAME])
        connection.execute("INSERT INTO derived VALUES (?, ?)", [_NAME, VERSION])


def _update(connection: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> None:
    spans, traces = _read_spans(connection, ids)
    answers, names = _read_answers(connection, ids)
    _add_contents(connection, spans, answers, names)
    found: dict[str, Calls] = {
        id_: find_calls(spans.get(id_, ()), answers.get(id_, ()))
        for id_ in spans.keys() | answers.keys()
    }
    _write_duplicates(connection, ids, found, traces)
    _write_answers(connection, ids, found, names)


def _read_spans(
    connection: duckdb.DuckDBPyConnection, ids: Sequence[str]
) -> tuple[dict[str, list[CallSpan]], dict[tuple[str, str], str]]:
    """Return the spans by invocation, and the trace of each span."""
    spans: dict[str, list[CallSpan]] = defaultdict(list)
    traces: dict[tuple[str, str], str] = {}
    rows: list[tuple[Any, ...]] = connection.execute(_SPANS, [list(ids)]).fetchall()
    for id_, trace, span, parent, name, start, end, status, values in rows:
        traces[id_, span] = trace
        spans[id_].append(
            call_span(
                span_id=span,
                parent_id=parent,
                name=name,
                start=start,
                end=end,
                status=status,
                attributes={
                    key: value
                    for key, value in zip(ATTRIBUTES, values or (), strict=False)
                    if value is not None
                },
            )
        )
    return spans, traces


def _read_answers(
    connection: duckdb.DuckDBPyConnection, ids: Sequence[str]
) -> tuple[dict[str, list[Answer]], _Names]:
    """Return the answers by invocation, and the name of each step by completion id."""
    answers: dict[str, list[Answer]] = defaultdict(list)
    names: _Names = {}
    params = {"ids": list(ids), "patterns": list(MODEL_STEP_PATTERNS)}
    rows: list[tuple[Any, ...]] = connection.execute(_ANSWERS, params).fetchall()
    for id_, index, completion, name, at, copied in rows:
        names[id_, completion] = name
        answers[id_].append(Answer(index, completion, at or 0, bool(copied)))
    return answers, names


def _add_contents(
    connection: duckdb.DuckDBPyConnection,
    spans: dict[str, list[CallSpan]],
    answers: dict[str, list[Answer]],
    names: _Names,
) -> None:
    """Add contents where only they tell which spans are repetitions: without the bridge."""
    compared = {
        id_: {span.span_id for span in spans[id_] if span.needs_content}
        for id_ in spans.keys() & answers.keys()
    }
    compared = {id_: wanted for id_, wanted in compared.items() if wanted}
    if not compared:
        return
    wanted = [(id_, answer) for id_ in compared for answer in answers[id_]]
    calls = dict(_decoded(connection, wanted, names))
    params = {"ids": list(compared), "spans": [s for found in compared.values() for s in found]}
    rows: list[tuple[Any, ...]] = connection.execute(_CONTENTS, params).fetchall()
    contents = {span: call_of(json.loads(attributes)) for span, attributes in rows}
    for id_ in compared:
        answers[id_] = [
            replace(answer, content=call)
            for answer in answers[id_]
            if (call := calls.get((id_, answer.completion_id))) is not None
        ]
        spans[id_] = [
            span._replace(content=contents.get(span.span_id)) if span.needs_content else span
            for span in spans[id_]
        ]


def _decoded(
    connection: duckdb.DuckDBPyConnection, wanted: Sequence[tuple[str, Answer]], names: _Names
) -> Iterator[tuple[tuple[str, int], LlmCall]]:
    """Yield the calls of these answers, by (invocation, completion id); others are left out."""
    for start in range(0, len(wanted), PAYLOADS):
        part = wanted[start : start + PAYLOADS]
        params = {
            "ids": [id_ for id_, _ in part],
            "completions": [answer.completion_id for _, answer in part],
        }
        rows: list[tuple[Any, ...]] = connection.execute(_PAYLOADS, params).fetchall()
        for id_, completion, raw in rows:
            run = decode_run(names[id_, completion], run_result(raw), has_result=True)
            if run.llm is not None:
                yield (id_, completion), run.llm


def _write_duplicates(
    connection: duckdb.DuckDBPyConnection,
    ids: Sequence[str],
    found: Mapping[str, Calls],
    traces: Mapping[tuple[str, str], str],
) -> None:
    new = {
        (id_, traces[id_, span], span, reason)
        for id_, calls in found.items()
        for span, reason in calls.duplicates.items()
    }
    old: list[tuple[Any, ...]] = connection.execute(
        "SELECT invocation_id, trace_id, span_id, reason FROM duplicate_spans"
        " WHERE invocation_id IN (SELECT unnest(?::VARCHAR[]))",
        [list(ids)],
    ).fetchall()
    changed = {row[0] for row in new ^ set(old)}
    if changed:
        _replace(connection, "duplicate_spans", changed, [r for r in new if r[0] in changed])


def _write_answers(
    connection: duckdb.DuckDBPyConnection,
    ids: Sequence[str],
    found: Mapping[str, Calls],
    names: _Names,
) -> None:
    new = {
        (id_, answer.index, answer.copied): answer
        for id_, calls in found.items()
        for answer in calls.without_span
    }
    old: list[tuple[Any, ...]] = connection.execute(
        'SELECT invocation_id, "index", copied FROM journal_llm_calls'
        " WHERE invocation_id IN (SELECT unnest(?::VARCHAR[]))",
        [list(ids)],
    ).fetchall()
    changed = {key[0] for key in new.keys() ^ set(old)}
    if not changed:
        return
    wanted = [(key[0], answer) for key, answer in new.items() if key[0] in changed]
    by_completion = {(id_, answer.completion_id): answer for id_, answer in wanted}
    rows = [
        _row(key[0], by_completion[key], call) for key, call in _decoded(connection, wanted, names)
    ]
    _replace(connection, "journal_llm_calls", changed, rows)


def _row(id_: str, answer: Answer, call: LlmCall) -> tuple[Any, ...]:
    messages = [{"role": m.role, "parts": list(m.parts)} for m in call.response]
    return (
        id_, answer.index, answer.at, call.provider, call.model,
        call.tokens.input if call.tokens else None, call.tokens.output if call.tokens else None,
        json.dumps(messages, ensure_ascii=False, default=str), answer.copied,
        call.cache_read_tokens, call.cache_write_tokens,
    )  # fmt: skip


def _replace(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    ids: Collection[str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Replace the rows of these invocations."""
    note_stale(connection, ids)
    connection.execute(
        f"DELETE FROM {table} WHERE invocation_id IN (SELECT unnest(?::VARCHAR[]))", [list(ids)]
    )
    if not rows:
        return
    from playhead.store.arrow import pa

    columns = [f"c{n}" for n in range(len(rows[0]))]
    batch = pa.table(
        {name: list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}
    )
    connection.register(_BATCH, batch)
    try:
        connection.execute(f"INSERT INTO {table} SELECT * FROM {_BATCH}")
    finally:
        connection.unregister(_BATCH)
