"""Which invocations need `playhead.store.llm_calls` again after new spans.

Spans of the tracing bridge are never repeated. So new spans change the derived tables only if the
journal was copied before they arrived, or if two instrumentations may show the same call. What this
depends on is kept in memory for recent invocations, so that most writes read nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import duckdb

from playhead.conventions import ATTEMPT_SPAN, ATTEMPT_SPAN_ID, COMPLETION_ID, LLM_CALL, TOOL_CALL
from playhead.store.arrow import ArrowTable, pa, pc
from playhead.store.span_ids import SpanIdSet

__all__ = ["SpanCalls"]

RECENT = 50_000
"""Number of invocations whose activity is kept."""

_CALL = "|".join(
    rf'"{re.escape(name)}":\s*"(?:{"|".join(map(re.escape, dict.fromkeys(values)))})"'
    for rule in (LLM_CALL, TOOL_CALL)
    for name, values in rule.kinds.items()
)
_INVOCATIONS = """
SELECT DISTINCT md5_number_lower(invocation_id) AS id FROM spans WHERE invocation_id IS NOT NULL
"""
_ACTIVITY = """
SELECT invocation_id,
  list(DISTINCT scope_name) FILTER (WHERE regexp_matches(attributes, $call)),
  count(*) FILTER (WHERE starts_with(name, $attempt))
FROM spans WHERE invocation_id IN (SELECT unnest($ids::VARCHAR[])) GROUP BY invocation_id
"""
_JOURNALED = """
SELECT id, bool_or(missing) FROM (
  SELECT id, false AS missing FROM journal_copies
  UNION ALL SELECT invocation_id, true FROM journal_llm_calls
) WHERE id IN (SELECT unnest($ids::VARCHAR[])) GROUP BY id
"""


@dataclass(slots=True)
class _Activity:
    """Spans of one invocation."""

    whole: bool
    """Whether all its spans are counted here."""
    scopes: set[str] = field(default_factory=set[str])
    """Instrumentations that sent spans of calls."""
    attempts: int = 0
    """Number of spans of attempts, or more."""


class SpanCalls:
    """The recent invocations with spans. Use it in the writer's transactions."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read which invocations have spans."""
        ids: ArrowTable = connection.sql(_INVOCATIONS).to_arrow_table()
        self._known = SpanIdSet(ids.column("id"))
        self._recent: OrderedDict[str, _Activity] = OrderedDict()

    def changed(self, connection: duckdb.DuckDBPyConnection, spans: ArrowTable) -> set[str]:
        """Return the invocations to update for spans that were just inserted.

        Args:
            connection: The writer's connection, in the transaction of the insert.
            spans: The new rows of `spans`.
        """
        touched: set[str] = set()
        certain: set[str] = set()
        unbridged: set[str] = set()
        calls: dict[str, tuple[str | None, str]] = {}
        for id_, span, parent, scope, attempt, call, bridged in _relevant(spans):
            activity = self._activity(id_)
            touched.add(id_)
            activity.attempts += attempt
            if not call:
                continue
            activity.scopes.add(scope)
            calls[span] = parent, id_
            if not bridged:
                unbridged.add(id_)
        certain |= {id_ for parent, id_ in calls.values() if parent in calls}
        self._complete(connection, touched - certain)
        certain |= {id_ for id_ in touched if len(self._recent[id_].scopes) > 1}
        if touched - certain:
            for id_, missing in self._journaled(connection, touched - certain):
                if missing or id_ in unbridged or self._recent[id_].attempts > 1:
                    certain.add(id_)
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        return certain

    def forget(self, ids: Iterable[str]) -> None:
        """Read these invocations again at their next span: other spans became theirs."""
        for id_ in ids:
            self._recent.pop(id_, None)
            self._known.add([_number(id_)])

    def _activity(self, id_: str) -> _Activity:
        activity = self._recent.get(id_)
        if activity is None:
            number = _number(id_)
            activity = self._recent[id_] = _Activity(whole=number not in self._known)
            self._known.add([number])
        else:
            self._recent.move_to_end(id_)
        return activity

    def _complete(self, connection: duckdb.DuckDBPyConnection, ids: Iterable[str]) -> None:
        """Read the activity of invocations that have spans from before."""
        partial = [id_ for id_ in ids if not self._recent[id_].whole]
        if not partial:
            return
        params = {"ids": partial, "call": _CALL, "attempt": ATTEMPT_SPAN}
        rows: list[tuple[str, list[str] | None, int]] = connection.execute(
            _ACTIVITY, params
        ).fetchall()
        for id_, scopes, attempts in rows:
            self._recent[id_] = _Activity(True, set(scopes or ()), attempts)

    @staticmethod
    def _journaled(
        connection: duckdb.DuckDBPyConnection, ids: Collection[str]
    ) -> list[tuple[str, bool]]:
        """Return those with a journal, and whether it has an answer without a span."""
        return connection.execute(_JOURNALED, {"ids": list(ids)}).fetchall()


def _relevant(spans: ArrowTable) -> Iterable[tuple[str, str, str | None, str, bool, bool, bool]]:
    """Return invocation, id, parent and scope of spans that matter for calls, and their kind.

    The kind is whether a span is an attempt, whether it is a call, and whether the tracing bridge
    relates it to an attempt.
    """
    names: Any = spans.column("name")
    attributes: Any = spans.column("attributes").cast(pa.string())
    attempt = pc.starts_with(names, ATTEMPT_SPAN)
    call = pc.match_substring_regex(attributes, _CALL)
    # A step's span with a completion id is no call, even if its text looks like one.
    step = pc.match_substring_regex(attributes, re.escape(COMPLETION_ID))  # 4 times as fast
    call = pc.and_not(pc.and_not(call, step), attempt)
    chosen = pc.and_(
        pc.is_valid(spans.column("invocation_id")), pc.or_(pc.or_(attempt, call), step)
    )
    columns = [
        spans.column(name) for name in ("invocation_id", "span_id", "parent_span_id", "scope_name")
    ]
    bridged = pc.match_substring_regex(attributes.filter(chosen), re.escape(ATTEMPT_SPAN_ID))
    found = [column.filter(chosen) for column in (*columns, attempt, call)]
    return zip(*(column.to_pylist() for column in (*found, bridged)), strict=True)


def _number(invocation_id: str) -> int:
    """Return DuckDB's `md5_number_lower`."""
    digest = hashlib.md5(invocation_id.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little")
