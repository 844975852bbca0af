"""The reads of the list of invocations: pages, changed rows, figures, searches, totals."""

from __future__ import annotations

import asyncio
import math
import time
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from playhead.errors import PlayheadError
from playhead.model import Invocation, Totals
from textual.message import Message

from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.polling import PollingScreen, StoreChanged
from playhead_tui.sources.ages import SourceAge
from playhead_tui.sources.invocation_cache import CacheUpdate, InvocationCache
from playhead_tui.sources.list_query import ListQuery
from playhead_tui.sources.live_rows import FiguresUpdate, LiveRows, RowsUpdate
from playhead_tui.sources.poller import Poller
from playhead_tui.sources.search import Search, SearchUpdate
from playhead_tui.widgets.notes import Notes

__all__ = ["ListReads"]

FEW = 20
"""Number of unknown invocations in one report up to which they are read: they may be new."""


class InvocationsRead(Message, bubble=False):
    """Posted when a round of reads has finished."""

    def __init__(self, update: CacheUpdate) -> None:
        super().__init__()
        self.update = update

    def can_replace(self, message: Message) -> bool:
        """Keep every round: each may contain another page."""
        return False


class RowsRead(Message, bubble=False):
    """Posted when changed rows were searched for, and read by id."""

    def __init__(self, update: RowsUpdate) -> None:
        super().__init__()
        self.update = update

    def can_replace(self, message: Message) -> bool:
        """Keep every read: each contains other rows."""
        return False


class FiguresRead(Message, bubble=False):
    """Posted when figures of some rows were read."""

    def __init__(self, update: FiguresUpdate) -> None:
        super().__init__()
        self.update = update

    def can_replace(self, message: Message) -> bool:
        """Keep every read: each contains other rows."""
        return False


class CopyProblemsRead(Message, bubble=False):
    """Posted when the recorder's progress was read."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__()
        self.problems = problems

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest progress."""
        return isinstance(message, CopyProblemsRead)


class SearchRead(Message, bubble=False):
    """Posted when a search has answered."""

    def __init__(self, update: SearchUpdate) -> None:
        super().__init__()
        self.update = update

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest answer."""
        return isinstance(message, SearchRead)


@dataclass(frozen=True)
class ListTotals:
    """Totals of everything, and of what matches; None where they cannot be known."""

    everything: Totals | None = None
    matching: Totals | None = None
    conditions: str = ""
    """The conditions of `matching`."""
    changes: int = 0
    """Number of changes that were known before the read."""
    at: float = -math.inf
    """When it began, monotonic."""
    recounts: int = 0
    """`InvocationCache.recounts` when it began."""


class TotalsRead(Message, bubble=False):
    """Posted when totals were read."""

    def __init__(self, totals: ListTotals) -> None:
        super().__init__()
        self.totals = totals

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest totals."""
        return isinstance(message, TotalsRead)


class ListReads(PollingScreen):
    """A screen that keeps a cache of invocations close to the server."""

    SECONDS = 3.0
    SHARE = 50.0
    """A round reads whole pages, also of what is not in view, and takes 0.1 s of the server's time
    with 100,000 invocations."""
    FED_PAGES_SECONDS = 15.0
    """Pause between two rounds while the recorder reports changes."""
    CHANGED_SECONDS = 0.3
    """Pause between two searches for changed rows."""
    FED_CHANGED_SECONDS = 0.5
    """The same while the recorder reports changes. It may be late, so the search continues."""
    PROGRESS_SECONDS = 1.0
    """Pause between two reads of the recorder's progress."""
    FED_PROGRESS_SECONDS = 5.0
    """The same while the recorder reports changes, and its copy was complete."""
    FIGURES_SECONDS = 5.0
    """Pause between two reads of the figures in view while no change is known."""
    FED_FIGURES_SECONDS = 1.0
    """Time for which a changed row waits for the recorder's report, to be read with its figures."""
    UNCHANGED_SECONDS = 15.0
    """Time after which totals are read again although no change is known."""
    SEARCH_SECONDS = 3.0
    """Pause between two searches for the same query: the server scans all its invocations."""
    TOTALS_SECONDS = 3.0
    """Pause between two reads of the totals: the store reads all its invocations and calls."""

    SETTLED_SECONDS = 1.5
    """Time in which the server has done what it accepted."""

    def __init__(self, dashboard: Dashboard) -> None:
        super().__init__(dashboard)
        self.list_query = ListQuery()
        self.cache = InvocationCache()
        self.live = LiveRows(self.cache)
        self.scan_age = SourceAge(dashboard.now)
        """When the server was last asked for new invocations."""
        self._silent = False
        """Whether the server did not answer the last search for changed rows."""
        self.copying: tuple[str, ...] = ()
        """What the recorder has not copied, as sentences."""
        self.search = Search()
        self.totals = ListTotals()
        self.changes = 0
        """Number of changes that were reported or read."""
        self.reads = 0
        """Number of rounds so far."""
        self._searches: Poller[SearchUpdate] | None = None
        self._totals: Poller[ListTotals] | None = None

    # For the subclass.

    @abstractmethod
    def rows_in_view(self) -> Iterable[Invocation]:
        """Return the rows in view."""
        raise NotImplementedError

    @abstractmethod
    def show_new(self) -> None:
        """Show what was read."""
        raise NotImplementedError

    @abstractmethod
    def show_totals(self) -> None:
        """Show the totals."""
        raise NotImplementedError

    @abstractmethod
    def show_age(self) -> None:
        """Show how old the rows are."""
        raise NotImplementedError

    # Pollers.

    def make_pollers(self) -> list[Poller[Any]]:
        """Return the pollers of pages, changed rows, figures, searches and totals."""
        (rounds,) = super().make_pollers()
        rounds.slower = lambda: self.FED_PAGES_SECONDS if self.fed else 0.0
        self._changed = Poller(
            lambda: self.live.read_changed(self.dashboard.reader, self._in_view()),
            self._deliver_rows,
            self.fail,
            seconds=self.CHANGED_SECONDS,
            pause=self._pause_after_changes,
            needed=self._wants_rows,
        )
        self._figures = Poller(
            lambda: self.live.read_figures(self.dashboard.reader, self._growing()),
            lambda update: self.post_message(FiguresRead(update)),
            self.fail,
            seconds=self.FIGURES_SECONDS,
            share=2,
            needed=self._wants_rows,
        )
        progress = Poller(
            lambda: self.dashboard.reader.copy_problems(),
            lambda problems: self.post_message(CopyProblemsRead(problems)),
            self.fail,
            seconds=self.PROGRESS_SECONDS,
            slower=lambda: self.FED_PROGRESS_SECONDS if self.fed and not self.copying else 0.0,
            needed=self._wants_rows,
        )
        self._searches = Poller(
            lambda: self.search.read(self.dashboard.reader),
            lambda update: self.post_message(SearchRead(update)),
            self.fail,
            seconds=self.SEARCH_SECONDS,
            share=20,
            needed=lambda: self._wants_rows() and self.must_search,
        )
        self._totals = Poller(
            self._read_totals,
            lambda totals: self.post_message(TotalsRead(totals)),
            self.fail,
            seconds=self.TOTALS_SECONDS,
            share=20,
            needed=self._wants_rows,
        )
        return [
            rounds, self._changed, self._figures, progress, self._searches, self._totals,
            self.feed_poller(),
        ]  # fmt: skip

    @property
    def must_search(self) -> bool:
        """Whether rows that were not read may match the query, or come before those that were."""
        return self.search.active and (self.cache.more or self.list_query.needs_search)

    def _pause_after_changes(self, took: float) -> float:
        seconds = self.FED_CHANGED_SECONDS if self.fed else self.CHANGED_SECONDS
        return self.live.pause(max(seconds, took))

    def _wants_rows(self) -> bool:
        return self.cache.loaded and self.in_sight()

    def _in_view(self) -> list[str]:
        """Return the ids of the rows in view, those that have not ended first."""
        rows = sorted(self.rows_in_view(), key=lambda row: row.ended)
        return [row.id for row in rows]

    def _growing(self) -> list[str]:
        """Return the ids of the rows in view whose figures may have changed without a report."""
        return [row.id for row in self.rows_in_view() if not (self.fed and row.ended)]

    async def read(self) -> CacheUpdate:
        """Read the newest page, and each older page in turn."""
        return await self.cache.read(self.dashboard.reader)

    def changed_since(self, changes: int, at: float) -> bool:
        """Return whether something has changed since a read, as far as that is known.

        Args:
            changes: Number of changes before the read.
            at: Monotonic time of the read.
        """
        late = time.monotonic() - at > self.UNCHANGED_SECONDS
        return late or not self.fed or changes != self.changes

    async def _read_totals(self) -> ListTotals:
        conditions = self.list_query.conditions
        before = self.totals
        if conditions == before.conditions and not self.changed_since(before.changes, before.at):
            return before
        changes, at, recounts = self.changes, time.monotonic(), self.cache.recounts
        everything = await self._totals_of("")
        matching = await self._totals_of(conditions) if conditions else everything
        return ListTotals(everything, matching, conditions, changes, at, recounts)

    async def _totals_of(self, conditions: str) -> Totals | None:
        try:
            return await self.dashboard.reader.totals(filter=conditions or None)
        except PlayheadError:  # no source, or a condition that is not stored
            return None

    def refresh_now(self) -> None:
        """Read at once, also the totals: what was changed or deleted may be out of view."""
        self.changes += 1
        super().refresh_now()
        self.set_timer(self.SETTLED_SECONDS, self._count_again)

    def _count_again(self) -> None:
        """Read the totals once the server has done what it accepted, such as a deletion."""
        self.changes += 1
        if self._totals:
            self._totals.wake()

    def read_pages(self) -> None:
        """Read the pages at once instead of at the next round."""
        if self.poller:
            self.poller.wake()

    def search_now(self) -> None:
        """Search, and read the totals, at once."""
        for poller in (self._searches, self._totals):
            if poller:
                poller.wake()

    # Messages.

    def _deliver_rows(self, update: RowsUpdate) -> None:
        """Note when the server answered, and post what the read says beyond that."""
        was_old = self.age.stale_since or self.scan_age.stale_since or self._silent
        for age in (self.age, self.scan_age) if update.scanned else (self.age,):
            if update.answered:
                age.answered(update.asked)
            else:
                age.failed()
        if update.rows or update.gone or was_old or not update.answered:
            self.post_message(RowsRead(update))

    def deliver(self, result: CacheUpdate) -> None:
        """Post the pages to the handler."""
        self.post_message(InvocationsRead(result))

    def on_invocations_read(self, message: InvocationsRead) -> None:
        """Show the rows, or count the new ones while the view is held."""
        first = not self.cache.loaded
        self.cache.update(message.update)
        self.reads += 1
        self.changes += 1
        self.copying = message.update.newest.copying
        self._show_notes()
        self.show_new()
        if first:
            self.refresh_now()
        elif self.cache.older_wanted:
            self.read_pages()

    def on_search_read(self, message: SearchRead) -> None:
        """Show the rows that a search found."""
        update = message.update
        self.search.update(update)
        if self.must_search:
            self.cache.add_found(update.page.rows, update.started)
        self.show_new()

    def on_totals_read(self, message: TotalsRead) -> None:
        """Show the totals."""
        if message.totals is not self.totals:
            self.totals = message.totals
            self.show_totals()

    def on_rows_read(self, message: RowsRead) -> None:
        """Show the rows that were read by id, and request their figures."""
        update = message.update
        if self._silent and update.answered:
            self.read_pages()  # whose notes say what was wrong
        self._silent = not update.answered
        self.show_age()
        if not update.rows and not update.gone:
            return
        changed = self.cache.refresh(update.rows, update.gone, update.started)
        if changed:
            self.changes += 1
            self.live.want_figures(changed)
            if self.fed:
                after = asyncio.get_running_loop().call_later  # a timer takes several times as long
                after(self.FED_FIGURES_SECONDS, self._read_unreported, changed)
            else:
                self._figures.wake()
            self.show_new()

    def _read_unreported(self, ids: set[str]) -> None:
        """Read the figures of changed rows that the recorder has not reported meanwhile."""
        if self.live.wants_figures(ids):
            self._figures.wake()

    def on_store_changed(self, message: StoreChanged) -> None:
        """Read the rows and figures that the recorder reports as changed."""
        if message.changes.missed:
            self.refresh_now()
            return
        self.changes += 1
        ids = [change.invocation_id for change in message.changes.changes]
        known = [id_ for id_ in ids if self.cache.get(id_)]
        unknown = [id_ for id_ in ids if self.cache.is_new(id_)]
        # A recorder that catches up reports thousands of old invocations.
        self.live.want_figures([*known, *(unknown if len(unknown) <= FEW else ())])
        self._figures.wake()

    def on_copy_problems_read(self, message: CopyProblemsRead) -> None:
        """Show what the recorder has not copied."""
        if message.problems != self.copying:
            self.copying = message.problems
            self._show_notes()

    def _show_notes(self) -> None:
        notes = (*self.dashboard.notes, *self.cache.missing, *self.copying)
        self.query_one(Notes).show_notes(notes)

    def on_figures_read(self, message: FiguresRead) -> None:
        """Show the rows that were read with their figures."""
        update = message.update
        before = self.cache.recounts
        changed = self.cache.refresh(update.rows, (), update.started)
        self.changes += self.cache.recounts - before
        if self.cache.add_figures(update.rows, update.started) or changed:
            self.show_new()
        if update.more:
            self._figures.wake()
