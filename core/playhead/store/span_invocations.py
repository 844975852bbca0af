"""Inherited invocation ids: a span without one gets that of its nearest ancestor with one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from playhead.store.arrow import ArrowTable, pa
from playhead.store.database import Store
from playhead.store.llm_calls import update_llm_calls

__all__ = ["OpenTraces", "inherit_invocations", "inherit_within"]

MOST_OPEN_TRACES = 200_000

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
    with store.transaction() as connection:
        rows: list[tuple[str]] = connection.execute(_INHERIT, {"traces": list(traces)}).fetchall()
        update_llm_calls(connection, {id_ for (id_,) in rows})
    return Counter(id_ for (id_,) in rows)


def inherit_within(spans: ArrowTable) -> tuple[ArrowTable, set[str]]:
    """Let spans inherit the invocation of their nearest ancestor in this table.

    Args:
        spans: Rows of `spans`.

    Returns:
        The rows, and the traces of those that still have no invocation.
    """
    place = spans.schema.get_field_index("invocation_id")
    column = spans.column(place)
    if not column.null_count:
        return spans, set()
    traces, ids, parents, found = (
        spans.column(name).to_pylist()
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
        if path and invocation is None:
            open_traces.add(traces[start])
    return spans.set_column(place, "invocation_id", pa.array(found, pa.string())), open_traces


class OpenTraces:
    """The traces with stored spans that have no invocation: their ancestors may still arrive."""

    def __init__(self, store: Store, *, limit: int = MOST_OPEN_TRACES) -> None:
        """Read the open traces of the store.

        Args:
            store: The store.
            limit: Number of open traces above which every trace is taken for open.
        """
        self._limit = limit
        cursor = store.cursor()
        try:
            rows = cursor.execute(
                "SELECT DISTINCT trace_id FROM spans WHERE invocation_id IS NULL LIMIT ?",
                [limit + 1],
            ).fetchall()
        finally:
            cursor.close()
        self._traces = {str(trace) for (trace,) in rows}

    @property
    def traces(self) -> set[str]:
        """Return a copy of the traces."""
        return set(self._traces)

    def changed(self, traces: Iterable[str], still_open: Collection[str]) -> set[str]:
        """Return the traces to run `inherit_invocations` on, after a write.

        Args:
            traces: Traces that got spans.
            still_open: Those of them with a new span that has no invocation.
        """
        if len(self._traces) > self._limit:
            return set(traces)
        self._traces.update(still_open)
        return {trace for trace in traces if trace in self._traces}
