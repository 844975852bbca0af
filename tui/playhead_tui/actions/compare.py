"""The choice of two invocations to compare."""

from __future__ import annotations

from typing import Any

from playhead.model import Invocation

from playhead_tui.drawing.cells import clip
from playhead_tui.interfaces import Dashboard

__all__ = ["choose_pair"]


def choose_pair(
    dashboard: Dashboard, screen: Any, chosen: Invocation | None
) -> tuple[tuple[str, str] | None, Invocation | None]:
    """Return the ids to compare, if there are two, and the invocation that stays chosen.

    Two marked rows of the list are compared at once. Otherwise the first call chooses the
    invocation on the screen, and the second one compares; the same invocation twice is compared
    with the one that it was restarted from.

    Args:
        dashboard: shows what to do next.
        screen: the screen on top.
        chosen: the invocation that was chosen before.
    """
    listing = getattr(screen, "listing", None)
    marked = list(getattr(listing, "marked", None) or ())
    if len(marked) == 2:
        return (marked[0], marked[1]), None
    row = _invocation_of(screen)
    if row is None:
        dashboard.notify("Select an invocation in the list, or open one, to compare it.")
        return None, chosen
    if chosen is None or chosen.id == row.id:
        if chosen and row.restarted_from:
            return (row.restarted_from, row.id), None
        if chosen:
            dashboard.notify("Not compared: it was the same invocation.")
            return None, None
        original = " again for its original, or" if row.restarted_from else ""
        dashboard.notify(f"Compare {clip(row.target, 40)}: press C{original} on another one.")
        return None, row
    return (chosen.id, row.id), None


def _invocation_of(screen: Any) -> Invocation | None:
    detail = getattr(screen, "detail", None)
    found = getattr(screen, "current", None) if detail is None else detail.summary
    return found if isinstance(found, Invocation) else None
