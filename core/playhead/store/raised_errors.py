"""Invocations whose handler failed with the text of a kill or a cancellation.

`playhead.reader.listing.endings` states the rule; a test compares the two. Such rows are rare, and
without them these queries end after a look at one column of `invocations`.
"""

from __future__ import annotations

from playhead.model.status import LOOKS_CANCELLED, LOOKS_ENDED

__all__ = ["RAISED", "RAISED_CTE", "raised_errors"]


def raised_errors(ids: str = "") -> str:
    """Return the SELECT of their ids: their journals have an Output command.

    That of a cancelled invocation can have one too, beside the signal.

    Args:
        ids: SELECT of the invocations that are wanted; empty for all.
    """
    own = f" AND id IN ({ids})" if ids else ""
    alike = f"SELECT id FROM invocations WHERE {LOOKS_ENDED}{own}"
    return f"""
SELECT id FROM journal WHERE entry_type = 'Command: Output' AND id IN ({alike})
EXCEPT
SELECT id FROM journal WHERE entry_type = 'Notification: Signal'
  AND id IN ({alike} AND {LOOKS_CANCELLED})
  AND entry_lite_json->>'$.Notification.id.SignalIndex' = '1'
"""


RAISED_CTE = f"raised_errors AS MATERIALIZED ({raised_errors()})"
"""CTE that `RAISED` reads."""
RAISED = "i.id IN (SELECT id FROM raised_errors)"
"""Condition on `invocations AS i`."""
