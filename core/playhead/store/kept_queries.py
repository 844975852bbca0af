"""The queries whose rows are kept in memory.

See `playhead.store.kept_rows` and `playhead.store.kept_answers`.
"""

from __future__ import annotations

from typing import Any

from playhead.store.attempt_counts import ATTEMPTS_OF, PERIODS
from playhead.store.calls.counts import COUNTS_OF
from playhead.store.kept_rows import INVOCATIONS_OF

__all__ = ["FOLLOWING", "KEPT", "NEWEST_IDS", "is_kept_whole", "params_of"]

NEWEST_IDS = (
    "SELECT i.id FROM invocations AS i WHERE i.created_at >= ?::TIMESTAMPTZ"
    " ORDER BY i.created_at DESC, i.id DESC LIMIT "
)
"""The newest invocations since a time; a number follows it."""
MOST_DIGITS = 4
KEPT = {ATTEMPTS_OF: 2, COUNTS_OF: 1, INVOCATIONS_OF: 1}
"""Those that have a row for each invocation, with the number of lists of ids that they take."""
FOLLOWING = frozenset({ATTEMPTS_OF, COUNTS_OF, PERIODS})
"""Those about invocations that another query has just found, which has waited for commits."""


def params_of(sql: str, ids: list[str]) -> list[Any]:
    """Return the parameters of a query about these invocations."""
    return [ids] * KEPT.get(sql, 1)


def is_kept_whole(sql: str) -> bool:
    """Return whether all rows of a query are kept until `invocations` or `recordings` change."""
    head, _, limit = sql.rpartition(" ")
    return sql == PERIODS or (
        f"{head} " == NEWEST_IDS and limit.isdecimal() and len(limit) <= MOST_DIGITS
    )
