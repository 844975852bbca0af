"""Inherited invocation ids: a span without one gets that of its nearest ancestor with one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from playhead.store.arrow import ArrowTable, pa, pc
from playhead.store.calls.call_table import inherit_calls
from playhead.store.calls.llm_calls import update_llm_calls
from playhead.store.database import Store
from playhead.store.span_ids import SpanIdSet
from playhead.store.stale_figures import note_stale

__all__ = ["OpenTraces", "inherit_invocations", "inherit_within"]

_TRACES = """
SELECT trace_id, any_value(('0x' || trace_id[17:])::UBIGINT) AS number,
  bool_or(invocation_id IS NOT NULL) AS linked,
  bool_or(invocation_id IS NULL AND parent_span_id IS NOT NULL) AS unlinked
FROM spans GROUP BY trace_id
"""

# Children arrive before their parents, which can be days later (a suspended invocation): each run
# covers whole traces. Ids are unique within a trace, so a walk down from the spans that have an
# invocation, through those that have none, visits each span at most once.
_INHERIT = """
WITH RECURSIVE
member AS MATERIALIZED (
  SELECT trace_id, span_id, parent_span_id, invocation_id FROM spans
  WHERE trace_id IN (SELECT unnest($traces::VARCHAR[]))
),
inherited AS (
  SELECT child.trace_id, child.span_id, parent.invocation_id
  FROM member child JOIN member parent
    ON child.trace_id = parent.trace_id AND child.parent_span_id = parent.span_id
  WHERE child.invocation_id IS NULL AND parent.invocation_id IS NOT NULL
  UNION
  SELECT child.trace_id, child.span_id, inherited.invocation_id
  FROM member child JOIN inherited
    ON child.trace_id = inherited.trace_id AND child.parent_span_id = inherited.span_id
  WHERE child.invocation_id IS NULL
)
UPDATE spans SET invocation_id = inherited.invocation_id FROM inherited
WHERE spans.trace_id = inherited.trace_id AND spans.span_id = inherited.span_id
  AND spans.trace_id IN (SELECT unnest($traces::VARCHAR[]))
RETURNING spans.invocation_id
"""


def inherit_invocations(store: Store, traces: Collection[str]) -> Counter[str]:
    """Set the inherited invocation of spans in these traces; count the changed spans by it."""
    if not traces:
        return Counter()
    with store.transaction(noted=True, heads=False) as connection:
        rows: list[tuple[str]] = connection.execute(_INHERIT, {"traces": list(traces)}).fetchall()
        if rows:
            inherit_calls(connection, list(traces))
        changed = {id_ for (id_,) in rows}
        note_stale(connection, changed)
        update_llm_calls(connection, changed)
    return Counter(id_ for (id_,) in rows)


def inherit_within(spans: ArrowTable) -> tuple[ArrowTable, set[str]]:
    """Let spans inherit the invocation of their nearest ancestor in this table.

    Args:
        spans: Rows of `spans`.

    Returns:
        The rows, and the traces of those that have no invocation and whose uppermost ancestor here
        has a parent elsewhere. Below a root without an invocation, spans never inherit one.
    """
    place = spans.schema.get_field_index("invocation_id")
    column = spans.column(place)
    if not column.null_count:
        return spans, set()
    # Only traces in which a span has no invocation are walked through, which are few.
    without = spans.column("trace_id").filter(pc.is_null(column)).unique()
    chosen = pc.is_in(spans.column("trace_id"), without)
    traces, ids, parents, found = (
        spans.column(name).filter(chosen).to_pylist()
        for name in ("trace_id", "span_id", "parent_span_id", "invocation_id")
    )
    places = dict(zip(zip(traces, ids, strict=True), range(len(ids)), strict=True))
    above = [places.get(key, -1) for key in zip(traces, parents, strict=True)]
    done = [invocation is not None for invocation in found]
    open_traces: set[str] = set()
    for start in range(len(ids)):
        path: list[int] = []
        at = start
        while at >= 0 and not done[at]:
            done[at] = True  # also ends a cycle of parents
            path.append(at)
            at = above[at]
        invocation = found[at] if at >= 0 else None
        for one in path:
            found[one] = invocation
        if at < 0 and path and parents[path[-1]] is not None:
            open_traces.add(traces[start])
    inherited = pc.replace_with_mask(
        column.combine_chunks(), chosen.combine_chunks(), pa.array(found, pa.string())
    )
    return spans.set_column(place, "invocation_id", inherited), open_traces


class OpenTraces:
    """The traces in which some spans have an invocation and others, so far, have none.

    Traces without any invocation, such as those of services that do not use Restate, are never
    open. Those in which every span has one become open when a span arrives without it.
    """

    def __init__(self, store: Store) -> None:
        """Read the traces of the store."""
        cursor = store.cursor()
        try:
            rows: ArrowTable = cursor.sql(_TRACES).to_arrow_table()
        finally:
            cursor.close()
        self._linked = SpanIdSet(rows.filter(rows.column("linked")).column("number"))
        unlinked = rows.filter(rows.column("unlinked"))
        self._unlinked = SpanIdSet(unlinked.column("number"))
        open_rows = unlinked.filter(unlinked.column("linked"))
        self.found: set[str] = set(open_rows.column("trace_id").to_pylist())
        """Traces of the store that were open when it was opened."""

    def changed(self, linked: Iterable[str], unlinked: Iterable[str]) -> set[str]:
        """Return the traces to run `inherit_invocations` on, after a write.

        Args:
            linked: Traces that got spans with an invocation.
            unlinked: Traces that got spans without one.
        """
        with_, without = _numbers(linked), _numbers(unlinked)
        self._linked.add(with_.keys() - self._linked.known(with_))
        self._unlinked.add(without.keys() - self._unlinked.known(without))
        both = self._unlinked.known(with_) | self._linked.known(without)
        names = with_ | without
        return {names[number] for number in both}


def _numbers(traces: Iterable[str]) -> dict[int, str]:
    """Return the traces by the lower half of their id."""
    return {int(trace[16:], 16): trace for trace in traces}
