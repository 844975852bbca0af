"""The table of calls that spans show: models and tools, with what is counted in typed columns.

The views `llm_calls` and `tool_calls` read the attributes of each span, which takes seconds for a
million spans. The writer of spans adds rows here in the transaction that adds the spans.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from playhead import conventions as names
from playhead.conventions import SpanRule, Synonyms
from playhead.store.span_marks import CALL, MARKS

if TYPE_CHECKING:
    import duckdb

    from playhead.store.database import Store

__all__ = [
    "CALLS",
    "CALL_TABLE",
    "IS_BUILT",
    "add_calls",
    "counted",
    "delete_calls",
    "inherit_calls",
    "rebuild_calls",
]

VERSION = 1
"""Version of the rules; a recorder with a newer one rebuilds the table."""
_NAME = "call_table"
CHUNK = 50_000
"""Spans that one transaction of a rebuild covers."""

IS_BUILT = f"SELECT name FROM derived WHERE name = '{_NAME}' AND version = {VERSION}"
"""SELECT that returns a row if the table has all calls."""

_KINDS: tuple[tuple[str, SpanRule], ...] = (("model", names.LLM_CALL), ("tool", names.TOOL_CALL))
_ATTRIBUTES: tuple[Synonyms, ...] = (
    names.PROVIDER_NAME, names.MODEL, names.TOKENS_IN, names.TOKENS_OUT, names.CACHE_READ,
    names.CACHE_WRITE, names.REASONING, names.AGENT_NAMES, names.TOOL_CALL_NAME,
)  # fmt: skip
_PATHS = tuple(
    dict.fromkeys(
        (
            *(name for _, rule in _KINDS for name in rule.kinds),
            *(name for synonyms in _ATTRIBUTES for name in synonyms.names),
            names.REPLAYED,
            names.INTERRUPTED,
            names.LOGICAL_SPAN_ID,
        )
    )
)


def _value(name: str) -> str:
    return f"value[{_PATHS.index(name) + 1}]"


def _first(synonyms: Synonyms) -> str:
    return f"coalesce({', '.join(map(_value, synonyms.names))})"


def _number(synonyms: Synonyms) -> str:
    return f"TRY_CAST({_first(synonyms)} AS BIGINT)"


def _is(rule: SpanRule) -> str:
    kinds = (
        f"coalesce({_value(name)}, '') IN ({', '.join(repr(value) for value in values)})"
        for name, values in rule.kinds.items()
    )
    return f"({' OR '.join(kinds)})"


def _is_true(name: str) -> str:
    return f"coalesce({_value(name)}, '') = 'true'"


def _select(source: str, *, once: bool = False, where: str = "") -> str:
    """Return the SELECT of the calls that rows of `spans` show; the columns of `calls`.

    Args:
        source: Table or subquery with the columns of `spans`.
        once: Whether to read each span's attributes once. Otherwise DuckDB reads them for every use
            of a value, but can apply conditions of the whole query before that.
        where: Condition that all calls meet. The default searches their attributes as text.
    """
    marks = dict.fromkeys(name for _, rule in _KINDS for name in rule.kinds)
    marked = where or " OR ".join(f"contains(attributes::VARCHAR, '{name}')" for name in marks)
    paths = [f'$."{name}"' for name in _PATHS]
    kinds = " ".join(f"WHEN {_is(rule)} THEN '{kind}'" for kind, rule in _KINDS)
    extracted = f"""(
    SELECT invocation_id, trace_id, span_id, start_unix_nano, end_unix_nano, status_code,
      json_extract_string(attributes, {paths!r}) AS value
    FROM {source} WHERE {marked}
  )"""
    common = f"WITH extracted AS MATERIALIZED {extracted}" if once else ""
    ended = "end_unix_nano IS NOT NULL AND coalesce(status_code, '') <> 'error'"
    return f"""
SELECT invocation_id, trace_id, span_id, kind, {_first(names.AGENT_NAMES)} AS agent,
  CASE WHEN kind = 'model' THEN {_first(names.PROVIDER_NAME)} END AS provider,
  CASE WHEN kind = 'model' THEN {_first(names.MODEL)} ELSE {_first(names.TOOL_CALL_NAME)} END
    AS name,
  (start_unix_nano // 1000)::BIGINT AS started_us,
  (end_unix_nano::HUGEINT - start_unix_nano)::DOUBLE / 1e9 AS duration,
  {ended} AND NOT (kind = 'model' AND {_is_true(names.INTERRUPTED)}) AS succeeded,
  coalesce(status_code, '') = 'error' AS failed,
  coalesce({_value(names.LOGICAL_SPAN_ID)}, span_id) AS logical_id,
  {_number(names.TOKENS_IN)} AS input_tokens, {_number(names.TOKENS_OUT)} AS output_tokens,
  {_number(names.CACHE_READ)} AS cache_read_tokens,
  {_number(names.CACHE_WRITE)} AS cache_write_tokens,
  {_number(names.REASONING)} AS reasoning_tokens
FROM (
  {common} SELECT *, CASE {kinds} END AS kind FROM {"extracted" if once else extracted}
) WHERE kind IS NOT NULL AND NOT {_is_true(names.REPLAYED)}
"""


def counted(calls: str, answers: str = "true") -> str:
    """Return the SELECT of calls, each once, with the answers that no span shows.

    Args:
        calls: SELECT of rows of `calls`.
        answers: Condition on `journal_llm_calls`.
    """
    return f"""
SELECT * FROM ({calls})
WHERE (trace_id, span_id) NOT IN (SELECT (trace_id, span_id) FROM duplicate_spans)
UNION ALL BY NAME
SELECT invocation_id, 'model' AS kind, provider, model AS name, answered_us AS started_us,
  true AS succeeded, false AS failed, input_tokens, output_tokens, cache_read_tokens,
  cache_write_tokens
FROM journal_llm_calls WHERE NOT copied AND {answers}
"""


CALLS = counted(_select("spans"))
"""SELECT of all calls, each once, as in the views `llm_calls` and `tool_calls`; from `spans`."""
CALL_TABLE = counted("SELECT * FROM calls")
"""The same from the table `calls`, if it `IS_BUILT`."""


def add_calls(source: str) -> str:
    """Return the statement that adds the calls of new spans, in the transaction that adds these.

    Args:
        source: Name of the new rows, with the columns of `spans` and their marks.
    """
    called = _select(source, once=True, where=f"{MARKS} & {CALL} <> 0")
    return f"INSERT INTO calls BY NAME {called}"


def delete_calls(
    connection: duckdb.DuckDBPyConnection, traces: list[str], spans: list[str]
) -> None:
    """Delete the calls of spans that are deleted, in the same transaction."""
    connection.execute(
        "DELETE FROM calls WHERE (trace_id, span_id) IN "
        "(SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]))",
        [traces, spans],
    )


def inherit_calls(connection: duckdb.DuckDBPyConnection, traces: list[str]) -> None:
    """Let calls belong to the invocations of their spans, in the transaction that changed them."""
    connection.execute(
        "UPDATE calls SET invocation_id = spans.invocation_id FROM spans"
        " WHERE calls.trace_id IN (SELECT unnest($traces::VARCHAR[]))"
        " AND spans.trace_id IN (SELECT unnest($traces::VARCHAR[]))"
        " AND spans.trace_id = calls.trace_id AND spans.span_id = calls.span_id"
        " AND calls.invocation_id IS NULL AND spans.invocation_id IS NOT NULL",
        {"traces": traces},
    )


def rebuild_calls(store: Store, stop: threading.Event) -> None:
    """Build the table if it was derived by older rules or not at all, in short transactions.

    Args:
        store: The store.
        stop: Ends the work early when it is set; the next call starts again.
    """
    cursor = store.cursor()
    try:
        if cursor.execute(IS_BUILT).fetchall():
            return
    finally:
        cursor.close()
    with store.transaction() as connection:
        # Spans that arrive from now on are added by the writer.
        connection.execute("DELETE FROM calls")
        [(end,)] = connection.execute("SELECT coalesce(max(rowid) + 1, 0) FROM spans").fetchall()
    for start in range(0, end, CHUNK):
        if stop.is_set():
            return
        with store.transaction() as connection:
            chunk = (
                f"(SELECT * FROM spans WHERE rowid >= {start}"
                f" AND rowid < {min(start + CHUNK, end)})"
            )
            connection.execute(
                f"INSERT INTO calls BY NAME SELECT * FROM ({_select(chunk, once=True)}) AS call"
                " WHERE (trace_id, span_id) NOT IN (SELECT (trace_id, span_id) FROM calls)"
            )
    with store.transaction() as connection:
        connection.execute("DELETE FROM derived WHERE name = ?", [_NAME])
        connection.execute("INSERT INTO derived VALUES (?, ?)", [_NAME, VERSION])
