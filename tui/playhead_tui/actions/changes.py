"""Checks before every change on the server, and toasts after it."""

from __future__ import annotations

from collections.abc import Awaitable

from playhead_tui.drawing.cells import clip
from playhead_tui.interfaces import Dashboard

__all__ = ["is_allowed", "perform", "show_failure"]


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


def show_failure(dashboard: Dashboard, error: Exception) -> None:
    """Show why a request to the server failed, and what to do."""
    text = str(error) or type(error).__name__
    if hint := getattr(error, "hint", ""):
        text = f"{text.rstrip('.')}. {hint}"
    dashboard.notify(clip(text), title="Request failed", severity="error")


async def perform(dashboard: Dashboard, change: Awaitable[None], done: str | None) -> None:
    """Make a change, show `done` (if any) or the error, and refresh every screen."""
    try:
        await change
    except Exception as error:
        show_failure(dashboard, error)
        return
    if done:
        dashboard.notify(done)
    dashboard.refresh_now()
