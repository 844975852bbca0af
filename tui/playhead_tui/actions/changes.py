"""Checks before every change on the server, and toasts after it."""

from __future__ import annotations

from collections.abc import Awaitable

from playhead_tui.drawing.cells import clip
from playhead_tui.interfaces import Dashboard

__all__ = ["is_allowed", "perform"]


def is_allowed(dashboard: Dashboard) -> bool:
    """Return whether changes are possible; if not, show why."""
    if dashboard.read_only:
        dashboard.notify(
            "Read-only: start Playhead without --read-only to make changes.", severity="warning"
        )
        return False
    if dashboard.control is None:
        dashboard.notify(
            "No Restate server is connected: only stored data is available. Set RESTATE_ADMIN_URL.",
            severity="warning",
        )
        return False
    return True


async def perform(dashboard: Dashboard, change: Awaitable[None], done: str | None) -> None:
    """Make a change, show `done` (if any) or the error, and refresh every screen."""
    try:
        await change
    except Exception as error:
        hint = getattr(error, "hint", "")
        text = clip(f"{error or type(error).__name__} {hint}")
        dashboard.notify(text, title="Request failed", severity="error")
        return
    if done:
        dashboard.notify(done)
    dashboard.refresh_now()
