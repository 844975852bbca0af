"""The reads of one invocation: its row often, the rest when that or the store has changed."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from playhead import heap
from playhead.formatting import clock_line
from playhead.model import Invocation, InvocationDetail, InvocationPage, Span
from playhead.reader.invocation.nested import CalledInvocation
from textual import work
from textual.app import App
from textual.message import Message

from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.polling import PollingScreen, StoreChanged
from playhead_tui.sources.called import CalledInvocations
from playhead_tui.sources.poller import Poller
from playhead_tui.sources.row_merge import KnownRow
from playhead_tui.widgets.inspector import ShownEntry
from playhead_tui.widgets.invocation_header import InvocationHeader
from playhead_tui.widgets.notes import Notes

__all__ = ["ContentsRead", "DetailRead", "InvocationReads", "RawEntryRead"]

ENDED_SECONDS = 5.0
"""Seconds between two reads of an invocation that has ended: late spans still arrive."""
LARGE = 5000
"""Rows of a timeline above which its memory is freed when the screen is closed."""
COLLECT_SECONDS = 0.3
"""Time in which Textual lets go of a closed screen."""


class DetailRead(Message, bubble=False):
    """Posted when the invocation was read; `detail` is None when no source has it."""

    def __init__(self, detail: InvocationDetail | None, started: float) -> None:
        super().__init__()
        self.detail = detail
        self.started = started
        """When the read started, monotonic."""

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest state."""
        return isinstance(message, DetailRead)


class RowRead(Message, bubble=False):
    """Posted when the server's row of the invocation was read."""

    def __init__(self, page: InvocationPage, started: float) -> None:
        super().__init__()
        self.page = page
        self.started = started
        """When the read started, monotonic."""

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest row."""
        return isinstance(message, RowRead)


class RawEntryRead(Message, bubble=False):
    """Posted when a journal entry was read; `shown` is what is shown of it, or the error."""

    def __init__(self, entry: tuple[str, int], shown: ShownEntry, *, decoded: bool) -> None:
        super().__init__()
        self.decoded = decoded
        self.entry = entry
        """Invocation id and journal index."""
        self.shown = shown


class ContentsRead(Message, bubble=False):
    """Posted when spans were read with all they have, or could not be read."""

    def __init__(self, invocation_id: str, spans: Sequence[Span], problem: str = "") -> None:
        super().__init__()
        self.invocation_id = invocation_id
        self.spans = spans
        self.problem = problem
        """Why they could not be read."""


class CalledRead(Message, bubble=False):
    """Posted when invocations that are shown in place were read."""

    def __init__(self, found: Mapping[str, CalledInvocation]) -> None:
        super().__init__()
        self.found = found


class InvocationReads(PollingScreen):
    """A screen that keeps one invocation close to the server."""

    SECONDS = 1.0
    SHARE = 3.0
    ROW_SECONDS = 0.3
    """Pause between two reads of the server's row, which shows whether anything else changed."""
    FED_SECONDS = 5.0
    """Pause between two reads of everything while the recorder reports changes."""
    FED_COMPLETE_SECONDS = 300.0
    """The same for an invocation that has ended, with all its spans: only a report changes it."""
    FED_ROW_SECONDS = 0.5
    """Pause between two reads of the row while the recorder reports changes."""
    FED_ENDED_ROW_SECONDS = 1.0
    """The same for an invocation that has ended: it can only be deleted, or restarted."""

    def __init__(self, dashboard: Dashboard, invocation_id: str) -> None:
        super().__init__(dashboard)
        self.invocation_id = invocation_id
        self.detail: InvocationDetail | None = None
        self._was_read = False
        """Whether the sources have answered, also that they have no such invocation."""
        self._known: KnownRow | None = None
        self._last_row: Invocation | None = None
        self._is_complete = False
        """Whether it has ended, and no span waits for its end, which can become lost."""
        self.held_detail: InvocationDetail | None = None
        """The state on screen while the view is held."""
        self.called = CalledInvocations()
        """The called invocations that are shown in place."""
        self._called_poller: Poller[Mapping[str, CalledInvocation]] | None = None

    @property
    def is_reading(self) -> bool:
        """Whether the invocation is being read for the first time."""
        return not self._was_read

    def on_unmount(self) -> None:
        """Free what is kept of the invocation; much memory returns to the system at once."""
        if self.dashboard.connection is None:
            return
        for id_ in (self.invocation_id, *self.called.known):
            self.dashboard.reader.forget(id_)
        known = (self.detail, *(one.detail for one in self.called.known.values()))
        if sum(len(one.timeline) for one in known if one) > LARGE:
            app = cast("App[Any]", self.app)  # pyright: ignore[reportUnknownMemberType]
            app.set_timer(COLLECT_SECONDS, heap.collect)
        # Something may refer to the closed screen for longer, such as a prompt that it opened.
        self.detail = self.held_detail = None
        self.called.known = {}

    # For the subclass.

    @abstractmethod
    def show(self) -> None:
        """Show the newest state, or the one at which the view was held."""
        raise NotImplementedError

    @abstractmethod
    def go_to_what_matters(self) -> None:
        """Move the cursor of a timeline that is shown for the first time."""
        raise NotImplementedError

    # Polling.

    def make_pollers(self) -> list[Poller[Any]]:
        """Return the pollers of the whole invocation, of its row, and of changes in the store."""
        rows = Poller(
            self._read_row,
            lambda read: self.post_message(RowRead(*read)),
            self.fail,
            seconds=self.ROW_SECONDS,
            share=1,
            slower=self._row_seconds,
            needed=self.in_sight,
        )
        self._called_poller = Poller(
            lambda: self.called.read(self.dashboard.reader),
            lambda found: self.post_message(CalledRead(found)),
            self.fail,
            seconds=self.SECONDS,
            share=self.SHARE,
            needed=lambda: bool(self.called.wanted) and self.in_sight(),
        )
        (whole,) = super().make_pollers()
        whole.slower = self._whole_seconds
        return [whole, rows, self._called_poller, self.feed_poller()]

    def _row_seconds(self) -> float:
        """Return the least pause between two reads of the row."""
        if not self.fed:
            return 0.0
        return self.FED_ENDED_ROW_SECONDS if self._has_ended() else self.FED_ROW_SECONDS

    def _whole_seconds(self) -> float:
        """Return the least pause between two reads of everything."""
        if not self.fed:
            return 0.0
        return self.FED_COMPLETE_SECONDS if self._is_complete else self.FED_SECONDS

    def _has_ended(self) -> bool:
        return self.detail is not None and self.detail.summary.ended

    def want_called(self, ids: Sequence[str]) -> None:
        """Keep these called invocations up to date, and no others."""
        new = set(ids) - set(self.called.wanted)
        self.called.wanted = tuple(dict.fromkeys(ids))
        if new and self._called_poller:
            self._called_poller.wake()

    def on_called_read(self, message: CalledRead) -> None:
        """Show the rows of called invocations."""
        if self.called.update(message.found):
            self._show_notes()
            self.show()

    def _show_notes(self) -> None:
        """Show what is missing, also from the invocations that are shown in place."""
        detail = self.detail
        if detail is None:
            return
        known = (self.called.known.get(id_) for id_ in self.called.wanted)
        shown = [detail, *(one.detail for one in known if one and one.detail)]
        sentences = [*self.dashboard.notes]
        for one in shown:
            sentences += [*map(clock_line, one.clocks), *one.missing]
        self.query_one(Notes).show_notes(tuple(dict.fromkeys(sentences)))

    async def read(self) -> tuple[InvocationDetail | None, float]:
        """Read the invocation in full; return it with the time at which the read started."""
        started = time.monotonic()
        reader = self.dashboard.reader
        return await reader.invocation(self.invocation_id, outline=True), started

    def deliver(self, result: tuple[InvocationDetail | None, float]) -> None:
        """Post the invocation to the handler."""
        self.post_message(DetailRead(*result))

    async def _read_row(self) -> tuple[InvocationPage, float]:
        started = time.monotonic()
        return await self.dashboard.reader.refresh([self.invocation_id]), started

    def on_row_read(self, message: RowRead) -> None:
        """Show a changed row at once, and read the rest of the invocation."""
        if not message.page.sources:
            self.age.failed()
            return
        self.age.answered(message.started)
        row = next(iter(message.page.rows), None)
        changed, self._last_row = row != self._last_row, row
        if not changed or self.detail is None or self._known is None:
            return
        if row is not None:
            self._known = self._known.updated(row, message.started)
            self.detail = replace(self.detail, summary=self._known.row)
            if self.held_detail is None:
                header = self.query_one(InvocationHeader)
                header.show_invocation(self.invocation_id, self.detail)
        self.read_again()

    def on_store_changed(self, message: StoreChanged) -> None:
        """Read the invocation again if the recorder reports it as changed."""
        ids = {change.invocation_id for change in message.changes.changes}
        if message.changes.missed or self.invocation_id in ids:
            self.read_again()
        again = self.called.wanted if message.changes.missed else ids
        if self.called.forget_times(again) and self._called_poller:
            self._called_poller.wake()

    def read_again(self) -> None:
        """Read the invocation in full at once."""
        if self.poller:
            self.poller.wake()

    def on_detail_read(self, message: DetailRead) -> None:
        """Show the new state, unless the view is held."""
        self._was_read = True
        if message.detail is None:
            missing = (
                f"Neither the server nor the store has {self.invocation_id}: "
                "it was purged, has expired, or was never recorded."
            )
            self.query_one(Notes).show_notes((*self.dashboard.notes, missing))
            return
        before, detail = self._known, message.detail
        if before is None or before.read <= message.started:
            self._known = KnownRow(detail.summary, message.started, message.started)
        else:  # the row was read again meanwhile
            self._known = before.updated(detail.summary, message.started).with_figures(
                detail.summary, message.started
            )
            detail = replace(detail, summary=self._known.row)
        same, first = detail == self.detail, self.detail is None
        self.detail = detail
        ended = detail.summary.ended
        closed = (s.lost or (s.end is not None and s.end_received) for s in detail.spans)
        self._is_complete = ended and all(closed)
        if self.poller and ended:
            self.poller.seconds = ENDED_SECONDS
        self._show_notes()
        if not same:
            self.show()
        if first:
            self.go_to_what_matters()

    @work(group="contents", exclusive=True)
    async def read_contents(self, invocation_id: str, span_ids: Sequence[str]) -> None:
        """Read spans with all they have in a worker; a later read ends this one."""
        try:
            spans = await self.dashboard.reader.spans(invocation_id, span_ids)
        except Exception as error:
            text = f"Cannot be read: {error or type(error).__name__}"
            self.post_message(ContentsRead(invocation_id, (), text))
            return
        self.post_message(ContentsRead(invocation_id, spans))

    @work(group="raw")
    async def read_raw(self, entry: tuple[str, int], *, decoded: bool) -> None:
        """Read the bytes or the decoded content of a journal entry in a worker."""
        reader = self.dashboard.reader
        try:
            content = await (reader.payload(*entry) if decoded else reader.raw_entry(*entry))
        except Exception as error:
            content = f"Cannot be read: {error or type(error).__name__}"
        # The lines are a part; all of it would take many times its size for as long as it is shown.
        shown = ShownEntry.of(content)
        self.post_message(RawEntryRead(entry, shown, decoded=decoded))
