"""The screen of one invocation, opened at a step or at the row where it was left."""

from __future__ import annotations

from collections.abc import Sequence

from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.screens.invocation_reads import DetailRead
from playhead_tui.widgets.rows import RowsView

__all__ = ["PlacedInvocationScreen"]

KEPT = "invocations"
"""Name of the kept rows by invocation id."""


class PlacedInvocationScreen(InvocationScreen):
    """Moves the cursor as soon as the timeline has its row, and keeps the row when it is left."""

    def __init__(
        self,
        dashboard: Dashboard,
        invocation_id: str,
        crumbs: Sequence[str],
        index: int | None = None,
    ) -> None:
        """Create the screen.

        Args:
            dashboard: the app.
            invocation_id: the invocation.
            crumbs: targets of the invocations that lead to it.
            index: journal index of a step; None for the row where it was left.
        """
        super().__init__(dashboard, invocation_id, crumbs)
        self._index = index
        kept = dashboard.kept.texts(KEPT)
        self._row: str | None = None if index is not None else kept.get(invocation_id)
        self._left: str | None = None
        """The row under the cursor."""

    def on_detail_read(self, message: DetailRead) -> None:
        """Go to the row after the base has shown the timeline."""
        if message.detail is not None and (self._index is not None or self._row):
            self.call_after_refresh(self._go)

    def _go(self) -> None:
        index, row = self._index, self._row
        if self.detail is None:
            return
        self._index = self._row = None
        if index is None:
            if row:
                self.waterfall.go_to(row)
            return
        steps = [one.step for one in self.detail.timeline if one.step]
        # A result is shown on the row of its command.
        step = next((s for s in steps if index in (s.index, s.notification_index)), None)
        if step is None or not self.waterfall.go_to(f"step:{step.index}"):
            self.dashboard.notify(f"The timeline has no step #{index}.", severity="warning")

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Remember the row, unless the one to go to is not shown yet."""
        if self._index is None and not self._row:
            self._left = self.waterfall.cursor

    def on_unmount(self) -> None:
        """Keep the row under the cursor."""
        if self._left:
            self.dashboard.kept.put_newest(KEPT, self.invocation_id, self._left)
