"""The queries whose rows are kept in memory; see `playhead.store.kept_rows`."""

from __future__ import annotations

from playhead.store.attempt_counts import ATTEMPTS_OF
from playhead.store.call_counts import COUNTS_OF
from playhead.store.kept_rows import INVOCATIONS_OF

__all__ = ["FOLLOWING", "KEPT"]

KEPT = frozenset({ATTEMPTS_OF, COUNTS_OF, INVOCATIONS_OF})
"""All of them."""
FOLLOWING = frozenset({ATTEMPTS_OF, COUNTS_OF})
"""Those about invocations that another query has just found, which has waited for commits."""
