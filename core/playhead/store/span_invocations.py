"""Inherited invocation ids: a span without one gets that of its nearest ancestor with one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from playhead.store.database import Store
from playhead.store.llm_calls import update_llm_calls

__all__ = ["inherit_invocations"]

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
