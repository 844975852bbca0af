"""The screen of failures: groups of equal ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from playhead.formatting import age, count, failure_line, place, sparkline
from playhead.model import FailureGroup
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from playhead_tui.drawing.glyphs import ASCII
from playhead_tui.screens.groups import CountedInvocations, Groups
from playhead_tui.widgets.group_list import Column
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.rows import RowsView

__all__ = ["FailuresScreen"]

LIMIT = 500
"""Groups that are read."""
MESSAGE = 400
"""Characters of a message."""


class FailuresScreen(CountedInvocations[FailureGroup]):
    """Groups of equal failures, the most frequent first."""

    DEFAULT_CSS = """
    FailuresScreen #cause {
        height: auto; max-height: 5; padding: 0 1; background: $panel; color: $text-error;
    }
    FailuresScreen.-short #cause { max-height: 4; }
    FailuresScreen.-tiny #cause, FailuresScreen.empty #cause { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open_example", "Open the latest"),
    ]
    NAME = "Failures"
    EMPTY = "No failure is recorded."
    _cause = ""
    """Message on screen."""

    def compose(self) -> ComposeResult:
        """Lay out the list, and below it the message of the failure under the cursor."""
        for widget in super().compose():
            if isinstance(widget, Notes):
                yield Static("", id="cause", markup=False)
            yield widget

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Show the whole message of the failure under the cursor: its column is often cut."""
        group = self.listing.current
        text = "" if group is None else failure_line(group.message, MESSAGE) or group.error
        if text != self._cause:
            self._cause = text
            self.query_one("#cause", Static).update(text)

    def columns(self) -> Sequence[Column[FailureGroup]]:
        """Return the columns; the trend has 12 periods from the first to the last failure."""
        now = self.dashboard.now
        ascii_only = self.dashboard.glyphs is ASCII
        return (
            Column("COUNT", 5, lambda g: count(g.count), lambda g, p: p.bad, True, importance=9),
            Column("INV.", 5, lambda g: count(g.invocations), lambda g, p: p.text, True,
                   importance=6),
            Column("STUCK", 5, lambda g: count(g.stuck), lambda g, p: p.warn if g.stuck else p.dim,
                   True, importance=5),
            Column("ERROR", 24, lambda g: g.error, lambda g, p: p.strong, flexible=True,
                   importance=10),
            Column("STEP", 12, lambda g: g.step, lambda g, p: p.text, flexible=True, importance=7),
            Column("SERVICE", 12, lambda g: g.service, lambda g, p: p.dim, importance=4),
            Column("PLACE", 18, place, lambda g, p: p.dim, flexible=True, importance=3),
            Column("DEPLOYMENTS", 11, lambda g: count(len(g.deployments)), lambda g, p: p.dim, True,
                   importance=0),
            Column("TREND", 12, lambda g: sparkline(g.trend, ascii_only=ascii_only),
                   lambda g, p: p.bad, importance=2),
            Column("FIRST", 5, lambda g: age(g.first_at, now()), lambda g, p: p.dim, True,
                   importance=1),
            Column("LAST", 5, lambda g: age(g.last_at, now()), lambda g, p: p.text, True,
                   importance=8),
        )  # fmt: skip

    def key_of(self, group: FailureGroup) -> str:
        """Return the fingerprint."""
        return group.fingerprint

    def filter_of(self, group: FailureGroup) -> str:
        """Return the filter that selects the invocations of the group."""
        return f"failure:{group.fingerprint}"

    async def read_groups(self, filter_: str) -> Groups[FailureGroup]:
        """Read the groups."""
        found = await self.dashboard.reader.failures(filter=filter_ or None, limit=LIMIT)
        title = (
            f"{count(found.failures)} recorded, {count(found.total)} group"
            f"{'' if found.total == 1 else 's'}"
        )
        if len(found.groups) < found.total:
            title += f", the most frequent {len(found.groups)} shown"
        return Groups(found.groups, title, found.missing)

    def action_open_example(self) -> None:
        """Open the invocation that failed last."""
        if group := self.selected(self.listing.current):
            self.dashboard.open_invocation(group.example)
