"""The screen of one invocation, opened at one of its steps."""

from __future__ import annotations

from collections.abc import Sequence

from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.invocation import DetailRead, InvocationScreen

__all__ = ["InvocationAtStep"]


class InvocationAtStep(InvocationScreen):
    """Moves the cursor to a step as soon as the timeline has it."""

    def __init__(
        self, dashboard: Dashboard, invocation_id: str, crumbs: Sequence[str], index: int
    ) -> None:
        super().__init__(dashboard, invocation_id, crumbs)
        self._wanted: int | None = index
        """Journal index of the step; None once the cursor is there."""

    def on_detail_read(self, message: DetailRead) -> None:
        """Show the step after the base has shown the timeline."""
        if self._wanted is not None and message.detail is not None:
            self.call_after_refresh(self._go)

    def _go(self) -> None:
        index = self._wanted
        if index is None or self.detail is None:
            return
        self._wanted = None
        steps = [row.step for row in self.detail.timeline if row.step]
        # A result is shown on the row of its command.
        step = next((s for s in steps if index in (s.index, s.notification_index)), None)
        if step is None or not self.waterfall.go_to(f"step:{step.index}"):
            self.dashboard.notify(f"The timeline has no step #{index}.", severity="warning")
