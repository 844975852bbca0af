"""The screen of one invocation, opened at a step, at a span, or at the row where it was left."""

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
        span_id: str | None = None,
    ) -> None:
        """Create the screen.

        Args:
            dashboard: the app.
            invocation_id: the invocation.
            crumbs: targets of the invocations that lead to it.
            index: journal index of a step.
            span_id: a span; without both, the row where it was left is selected.
        """
        super().__init__(dashboard, invocation_id, crumbs)
        self._index = index
        self._span = span_id
        kept = dashboard.kept.texts(KEPT)
        named = index is not None or span_id is not None
        self._row: str | None = None if named else kept.get(invocation_id)
        self._left: str | None = None
        """The row under the cursor."""

    def on_detail_read(self, message: DetailRead) -> None:
        """Go to the row after the base has shown the timeline."""
        if message.detail is not None and self._waits:
            self.call_after_refresh(self._go)

    @property
    def _waits(self) -> bool:
        """Whether the row to go to is not shown yet."""
        return self._index is not None or self._span is not None or self._row is not None

    def _go(self) -> None:
        index, span, row = self._index, self._span, self._row
        if self.detail is None:
            return
        self._index = self._span = self._row = None
        if span is not None:
            rows = (
                one.key for one in self.detail.timeline if one.span and one.span.span_id == span
            )
            if not self.waterfall.go_to(next(rows, "")):
                self.dashboard.notify("The timeline has no row of this call.", severity="warning")
            return
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
        if not self._waits:
            self._left = self.waterfall.cursor

    def on_unmount(self) -> None:
        """Keep the row under the cursor."""
        if self._left:
            self.dashboard.kept.put_newest(KEPT, self.invocation_id, self._left)
