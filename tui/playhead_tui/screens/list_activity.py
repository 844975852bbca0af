"""The list with the activity of the last hour above it, read from everything that matches."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from playhead.errors import PlayheadError
from playhead.model import Activity
from textual import events
from textual.message import Message

from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.list_preview import ListPreview
from playhead_tui.sources.poller import Poller
from playhead_tui.widgets.activity_line import ActivityLine

__all__ = ["ListActivity"]

TALL = 30
"""Least height, in lines, that has room for the activity."""
MINUTES = 60


class ActivityRead(Message, bubble=False):
    """Posted when the activity was read; None if it cannot be known."""

    def __init__(self, activity: Activity | None) -> None:
        super().__init__()
        self.activity = activity

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest one."""
        return isinstance(message, ActivityRead)


class _Read(NamedTuple):
    """What was read last, and when."""

    activity: Activity | None
    conditions: str
    minute: int
    changes: int
    at: float


class ListActivity(ListPreview):
    """A list with bars of started and failed invocations, on tall terminals."""

    DEFAULT_CSS = """
    ListActivity.tall ActivityLine { display: block; }
    """
    ACTIVITY_SECONDS = 5.0
    """Pause between two reads: the source scans all its invocations."""

    def __init__(self, dashboard: Dashboard) -> None:
        super().__init__(dashboard)
        self._activities: Poller[Activity | None] | None = None
        self._activity: _Read | None = None

    def on_resize(self, event: events.Resize) -> None:
        """Show the activity where there is room for it."""
        tall = event.size.height >= TALL
        if tall and not self.has_class("tall") and self._activities:
            self._activities.wake()
        self.set_class(tall, "tall")

    def make_pollers(self) -> list[Poller[Any]]:
        """Return the pollers of the list, and that of the activity."""
        self._activities = Poller(
            self._read_activity,
            lambda activity: self.post_message(ActivityRead(activity)),
            lambda error: None,  # the reads of the list show what is wrong
            seconds=self.ACTIVITY_SECONDS,
            share=20,
            needed=lambda: self.in_sight() and self.has_class("tall"),
        )
        return [*super().make_pollers(), self._activities]

    async def _read_activity(self) -> Activity | None:
        conditions, minute = self.list_query.conditions, self.dashboard.now().minute
        before = self._activity
        if (
            before
            and (before.conditions, before.minute) == (conditions, minute)
            and not self.changed_since(before.changes, before.at)
        ):
            return before.activity
        changes, at = self.changes, time.monotonic()
        try:
            found = await self.dashboard.reader.activity(filter=conditions or None, minutes=MINUTES)
        except PlayheadError:  # no source, or a condition that is not stored
            found = None
        self._activity = _Read(found, conditions, minute, changes, at)
        return found

    def on_activity_read(self, message: ActivityRead) -> None:
        """Show the activity."""
        self.query_one(ActivityLine).show_activity(message.activity)

    def search_now(self) -> None:
        """Search, and read totals and activity, at once."""
        super().search_now()
        if self._activities:
            self._activities.wake()
