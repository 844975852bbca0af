"""The preview of the selected invocation, read once the cursor rests on its row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from playhead.model import Invocation, InvocationDetail
from playhead.reader.invocation.conversation import Turn
from textual import events
from textual.message import Message
from textual.timer import Timer

from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.list_reads import ListReads
from playhead_tui.sources.poller import Poller
from playhead_tui.sources.turns import read_turns
from playhead_tui.widgets.preview import Preview
from playhead_tui.widgets.rows import RowsView

__all__ = ["ListPreview"]

WIDE = 150
"""Least width, in columns, that puts a preview beside the list."""
PREVIEW_SECONDS = 3.0
TURNS = 20
"""Last LLM calls that are compared, to show what the last one added."""
RESTING_SECONDS = 0.15
"""Time for which the cursor rests on a row before it is read."""


class PreviewRead(Message, bubble=False):
    """Posted when the selected invocation was read."""

    def __init__(self, detail: InvocationDetail | None, turns: Sequence[Turn]) -> None:
        super().__init__()
        self.detail = detail
        self.turns = turns

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest one."""
        return isinstance(message, PreviewRead)


class ListPreview(ListReads):
    """A list with a preview beside it, on wide terminals."""

    def __init__(self, dashboard: Dashboard) -> None:
        super().__init__(dashboard)
        self._previews: Poller[tuple[InvocationDetail | None, Sequence[Turn]]] | None = None
        self._resting: Timer | None = None
        self._previewed: tuple[str | None, Invocation | None, int] | None = None
        """Id and row of what was read last, and the number of changes until then."""

    @property
    @abstractmethod
    def current(self) -> Invocation | None:
        """The invocation under the cursor."""
        raise NotImplementedError

    def on_resize(self, event: events.Resize) -> None:
        """Show the preview where there is room for it."""
        self.set_class(event.size.width >= WIDE, "wide")
        self._preview()

    def make_pollers(self) -> list[Poller[Any]]:
        """Return the pollers of the list, and that of the preview."""
        self._previews = Poller(
            self._read_preview,
            lambda read: self.post_message(PreviewRead(*read)),
            lambda error: None,  # the reads of the list show what is wrong
            seconds=PREVIEW_SECONDS,
            needed=lambda: self.in_sight() and self.preview.shown is not None,
        )
        return [*super().make_pollers(), self._previews]

    async def _read_preview(self) -> tuple[InvocationDetail | None, Sequence[Turn]]:
        id_ = self.preview.shown
        row = self.cache.get(id_) if id_ else None
        read = (id_, row, self.changes)
        if not id_ or (self.fed and row and row.ended and read == self._previewed):
            return None, ()
        self._previewed = read
        reader = self.dashboard.reader
        detail = await reader.invocation(id_, outline=True)
        if detail is None:
            return None, ()
        return detail, (await read_turns(reader, detail, TURNS)).turns

    def on_preview_read(self, message: PreviewRead) -> None:
        """Show the invocation if it is still the selected one."""
        if message.detail and message.detail.summary.id == self.preview.shown:
            self.preview.show_detail(message.detail, message.turns)

    @property
    def preview(self) -> Preview:
        """The preview of the selected invocation; empty while it is hidden."""
        return self.query_one(Preview)

    def _preview(self) -> None:
        """Preview the selected invocation once the cursor rests on it."""
        row = self.current if self.has_class("wide") else None
        if row is None:
            self.preview.shown = None
        elif self.preview.shown != row.id:
            self.preview.show_row(row)
            self._previewed = None
            if self._resting:
                self._resting.stop()
            self._resting = self.set_timer(RESTING_SECONDS, self._wake_preview)

    def _wake_preview(self) -> None:
        if self._previews:
            self._previews.wake()

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Preview the row under the cursor."""
        self._preview()
