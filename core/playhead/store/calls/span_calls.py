"""Which invocations need `playhead.store.calls.llm_calls` again after new spans.

Spans of the tracing bridge are never repeated. So new spans change the derived tables only if the
journal was copied before they arrived, or if two instrumentations may show the same call. What this
depends on is kept in memory for recent invocations, so that most writes read nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import Any

import duckdb

from playhead.conventions import ATTEMPT_SPAN, LLM_CALL, TOOL_CALL
from playhead.store.arrow import ArrowTable, pa, pc
from playhead.store.span_ids import SpanIdSet
from playhead.store.span_marks import BRIDGED, CALL, MARKS, STEP

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
FROM spans WHERE rowid IN (
  SELECT rowid FROM spans WHERE invocation_id IN (SELECT unnest($ids::VARCHAR[]))
) GROUP BY invocation_id
"""
_JOURNALED = """
SELECT id, bool_or(missing) FROM (
  SELECT id, false AS missing FROM journal_copies
  UNION ALL SELECT invocation_id, true FROM journal_llm_calls
) WHERE id IN (SELECT unnest($ids::VARCHAR[])) GROUP BY id
"""


_Activity = tuple[bool, tuple[str, ...], int]
"""The spans of one invocation.

Whether all are counted here; the instrumentations that sent spans of calls; and the number of spans
of attempts, or more. A plain tuple, since the garbage collector looks through every other object
again and again, during which nothing else runs.
"""


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
            spans: The new rows of `spans`, with their marks.
        """
        found = _activity_of(spans)
        for id_, attempts, scopes, *_ in found:
            whole, before, earlier = self._activity(id_)
            united = tuple(dict.fromkeys((*before, *scopes)))
            self._recent[id_] = (whole, united, earlier + attempts)
        touched = {id_ for id_, *_ in found}
        unbridged = {id_ for id_, _, _, is_unbridged, _ in found if is_unbridged}
        certain = {id_ for id_, _, _, _, is_nested in found if is_nested}
        self._complete(connection, touched - certain)
        certain |= {id_ for id_ in touched if len(self._recent[id_][1]) > 1}
        if touched - certain:
            for id_, missing in self._journaled(connection, touched - certain):
                if missing or id_ in unbridged or self._recent[id_][2] > 1:
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
            activity = self._recent[id_] = (number not in self._known, (), 0)
            self._known.add([number])
        else:
            self._recent.move_to_end(id_)
        return activity

    def _complete(self, connection: duckdb.DuckDBPyConnection, ids: Iterable[str]) -> None:
        """Read the activity of invocations that have spans from before."""
        partial = [id_ for id_ in ids if not self._recent[id_][0]]
        if not partial:
            return
        params = {"ids": partial, "call": _CALL, "attempt": ATTEMPT_SPAN}
        rows: list[tuple[str, list[str] | None, int]] = connection.execute(
            _ACTIVITY, params
        ).fetchall()
        for id_, scopes, attempts in rows:
            self._recent[id_] = (True, tuple(scopes or ()), attempts)

    @staticmethod
    def _journaled(
        connection: duckdb.DuckDBPyConnection, ids: Collection[str]
    ) -> list[tuple[str, bool]]:
        """Return those with a journal, and whether it has an answer without a span."""
        return connection.execute(_JOURNALED, {"ids": list(ids)}).fetchall()


def _activity_of(spans: ArrowTable) -> list[tuple[str, int, list[str], bool, bool]]:
    """Return what new spans say about each invocation.

    The tuples have its id, its number of spans of attempts, the scopes of its spans of calls,
    whether the tracing bridge relates one of these to no attempt, and whether one is the child of
    another. Invocations without an attempt, a step or a call are left out.
    """
    marks: Any = spans.column(MARKS)
    attempt = pc.starts_with(spans.column("name"), ATTEMPT_SPAN)
    step = _has(marks, STEP)
    # A step's span with a completion id is no call, even if its attributes look like one.
    call = pc.and_not(pc.and_not(_has(marks, CALL), step), attempt)
    parents = spans.column("parent_span_id")
    nested = pc.and_(call, pc.is_in(parents, spans.column("span_id").filter(call)))
    table = pa.table({
        "id": spans.column("invocation_id"),
        "attempts": attempt.cast(pa.uint8()),
        "scope": pc.if_else(call, spans.column("scope_name"), None),
        "unbridged": pc.and_not(call, _has(marks, BRIDGED)),
        "nested": nested,
    })  # fmt: skip
    chosen = pc.and_(pc.is_valid(table.column("id")), pc.or_(pc.or_(attempt, call), step))
    grouped = (
        table.filter(chosen)
        .group_by("id", use_threads=False)
        .aggregate(
            [("attempts", "sum"), ("scope", "distinct"), ("unbridged", "any"), ("nested", "any")]
        )
    )
    names = ("id", "attempts_sum", "scope_distinct", "unbridged_any", "nested_any")
    columns: list[list[Any]] = [grouped.column(name).to_pylist() for name in names]
    return [
        (id_, attempts, [scope for scope in scopes if scope is not None], unbridged, nested)
        for id_, attempts, scopes, unbridged, nested in zip(*columns, strict=True)
    ]


def _has(marks: Any, mark: int) -> Any:
    """Return which marks have this one."""
    return pc.not_equal(pc.bit_wise_and(marks, pa.scalar(mark, pa.uint8())), 0)


def _number(invocation_id: str) -> int:
    """Return DuckDB's `md5_number_lower`."""
    digest = hashlib.md5(invocation_id.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little")
