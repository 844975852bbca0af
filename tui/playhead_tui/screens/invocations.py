"""The first screen: the list of invocations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from playhead.model import Invocation
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Footer, Static

from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.filtering import (
    FILTER_HINT,
    complete,
    known_values,
    problem,
    without_last,
)
from playhead_tui.screens.polling import PollingScreen, StoreChanged
from playhead_tui.sources.ages import SourceAge
from playhead_tui.sources.invocation_cache import CacheUpdate, InvocationCache
from playhead_tui.sources.list_query import SORTS, ListQuery, is_failing
from playhead_tui.sources.live_rows import FiguresUpdate, LiveRows, RowsUpdate
from playhead_tui.sources.poller import Poller
from playhead_tui.sources.search import Search, SearchUpdate
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.invocation_list import InvocationList
from playhead_tui.widgets.list_header import ListHeader
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.rows import RowsView

if TYPE_CHECKING:
    from playhead.filters.completion import Completion

    from playhead_tui.screens.groups import GroupScreen

__all__ = ["InvocationsScreen"]

PRESETS = (
    ("Running", "status:running"),
    ("Retrying", "status:retrying"),
    ("Paused", "status:paused"),
    ("Stuck", "status:stuck"),
    ("Failed", "status:failed"),
    ("Had failures", "failures>0"),
    ("Waiting for a person", "wait:approval"),
)
"""Descriptions and filters of the number keys, from 1."""
FEW = 20
"""Number of unknown invocations in one report up to which they are read: they may be new."""


class InvocationsRead(Message):
    """Posted when a round of reads has finished."""

    def __init__(self, update: CacheUpdate) -> None:
        super().__init__()
        self.update = update

    def can_replace(self, message: Message) -> bool:
        """Keep every round: each may contain another page."""
        return False


class RowsRead(Message):
    """Posted when rows were read by id, after a scan or without one."""

    def __init__(self, update: RowsUpdate, *, scan: bool = False) -> None:
        super().__init__()
        self.update = update
        self.scan = scan

    def can_replace(self, message: Message) -> bool:
        """Keep every read: each contains other rows."""
        return False


class FiguresRead(Message):
    """Posted when figures of some rows were read."""

    def __init__(self, update: FiguresUpdate) -> None:
        super().__init__()
        self.update = update

    def can_replace(self, message: Message) -> bool:
        """Keep every read: each contains other rows."""
        return False


class CopyProblemsRead(Message):
    """Posted when the recorder's progress was read."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__()
        self.problems = problems

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest progress."""
        return isinstance(message, CopyProblemsRead)


class SearchRead(Message):
    """Posted when a search has answered."""

    def __init__(self, update: SearchUpdate) -> None:
        super().__init__()
        self.update = update

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest answer."""
        return isinstance(message, SearchRead)


class InvocationsScreen(PollingScreen):
    """A live list below counters; Enter opens an invocation."""

    DEFAULT_CSS = """
    InvocationsScreen #empty { display: none; height: 1fr; padding: 2 4; color: $foreground 70%; }
    InvocationsScreen.-short #empty { padding: 0 2; }
    InvocationsScreen.empty #empty { display: block; }
    InvocationsScreen.empty InvocationList { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter"),
        Binding("e", "errors", "Errors"),
        Binding("space", "hold_view", "Hold view"),
        Binding("x", "act", "Actions"),
        *(
            Binding(str(number), f"preset({number})", description, show=False)
            for number, (description, _) in enumerate(PRESETS, 1)
        ),
        Binding("F", "failures", "Failures", show=False),
        Binding("A", "agents", "Agents", show=False),
        Binding("s", "sort", "Next sort column", show=False),
        Binding("S", "reverse", "Reverse order", show=False),
    ]
    SECONDS = 3.0
    SHARE = 50.0
    """A round reads whole pages, also of what is not in view, and takes 0.1 s of the server's time
    with 100,000 invocations."""
    CHANGED_SECONDS = 0.3
    """Pause between two reads of what changed among the rows in view and the active ones."""
    PROGRESS_SECONDS = 1.0
    """Pause between two reads of the recorder's progress."""
    FIGURES_SECONDS = 5.0
    """Pause between two reads of the figures in view while no change is known."""
    SEARCH_SECONDS = 3.0
    """Pause between two searches for the same query: the server scans all its invocations."""
    FILTER_HINT = FILTER_HINT

    def __init__(self, dashboard: Dashboard) -> None:
        super().__init__(dashboard)
        self.list_query = ListQuery()
        self.cache = InvocationCache()
        self.live = LiveRows(self.cache)
        self.scan_age = SourceAge(dashboard.now)
        """When the server was last asked for new invocations."""
        self.copying: tuple[str, ...] = ()
        """What the recorder has not copied, as sentences."""
        self.search = Search()
        self._searches: Poller[SearchUpdate] | None = None
        self.reads = 0
        """Number of rounds so far."""
        self.held_rows: tuple[Invocation, ...] | None = None
        """The rows on screen while the view is held."""

    def compose(self) -> ComposeResult:
        """Lay out the header, the chips, the rows, the notes and the keys."""
        glyphs = self.dashboard.glyphs
        yield ListHeader(glyphs=glyphs)
        yield Chips()
        yield InvocationList(now=self.dashboard.now, glyphs=glyphs)
        yield Static("", id="empty", markup=False)
        yield Notes(glyphs=glyphs)
        yield Footer(show_command_palette=False)

    def focus_rows(self) -> None:
        """Move the focus back to the list."""
        self.listing.focus()

    def on_mount(self) -> None:
        """Focus the list and redraw it every second: ages grow without new data."""
        self.listing.focus()
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        """Redraw ages; durations stop growing when the server no longer answers."""
        self._show_age()
        self.listing.refresh()

    def _show_age(self) -> None:
        self.listing.as_of = self.age.stale_since
        self.query_one(ListHeader).show_age(self.age.text() or self._scan_age())

    def _scan_age(self) -> str:
        text = self.scan_age.text()
        return f"new invocations: {text}" if text else ""

    @property
    def listing(self) -> InvocationList:
        """The list widget."""
        return self.query_one(InvocationList)

    @property
    def current(self) -> Invocation | None:
        """The invocation under the cursor."""
        return self.listing.current

    # Polling.

    def start_polling(self) -> None:
        """Start polling, and show the connections."""
        if self.dashboard.connection:
            self.query_one(ListHeader).show_labels(self.dashboard.connection.labels)
        super().start_polling()

    def make_pollers(self) -> list[Poller[Any]]:
        """Return the pollers of pages, of changed rows, of scans and of figures."""
        (rounds,) = super().make_pollers()
        self._changed = Poller(
            lambda: self.live.read_changed(self.dashboard.reader, self._in_view()),
            lambda update: self.post_message(RowsRead(update)),
            self.fail,
            seconds=self.CHANGED_SECONDS,
            share=1,
            needed=self._wants_rows,
        )
        scans = Poller(
            lambda: self.live.scan(self.dashboard.reader),
            lambda update: self.post_message(RowsRead(update, scan=True)),
            self.fail,
            seconds=0.0,
            pause=self.live.pause_after_scan,
            needed=self._wants_rows,
        )
        self._figures = Poller(
            lambda: self.live.read_figures(self.dashboard.reader, self._in_view()),
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
            needed=self._wants_rows,
        )
        self._searches = Poller(
            lambda: self.search.read(self.dashboard.reader),
            lambda update: self.post_message(SearchRead(update)),
            self.fail,
            seconds=self.SEARCH_SECONDS,
            share=20,
            needed=lambda: self._wants_rows() and self._must_search,
        )
        return [
            rounds, self._changed, scans, self._figures, progress, self._searches,
            self.feed_poller(),
        ]  # fmt: skip

    @property
    def _must_search(self) -> bool:
        """Whether rows that were not read may match the query."""
        return self.search.active and (self.cache.more or self.list_query.needs_search)

    def _wants_rows(self) -> bool:
        return self.cache.loaded and self.in_sight()

    def _in_view(self) -> list[str]:
        """Return the ids of the rows in view, those that have not ended first."""
        rows = sorted(self.listing.rows_in_view, key=lambda row: row.ended)
        return [row.id for row in rows]

    async def read(self) -> CacheUpdate:
        """Read the newest page, and each older page in turn."""
        return await self.cache.read(self.dashboard.reader)

    def deliver(self, result: CacheUpdate) -> None:
        """Post the pages to the handler."""
        self.post_message(InvocationsRead(result))

    def on_invocations_read(self, message: InvocationsRead) -> None:
        """Show the rows, or count the new ones while the view is held."""
        first = not self.cache.loaded
        self.cache.update(message.update)
        self.reads += 1
        self.copying = message.update.newest.copying
        self._show_notes()
        self._show_new()
        if first:
            self.refresh_now()
        elif self.cache.older_wanted:
            self.read_pages()

    def on_search_read(self, message: SearchRead) -> None:
        """Show the rows that a search found."""
        update = message.update
        self.search.update(update)
        if self._must_search:
            self.cache.add_found(update.page.rows, update.started)
        self._show_new()

    def on_rows_read(self, message: RowsRead) -> None:
        """Show the rows that were read by id, and request their figures."""
        update = message.update
        age = self.scan_age if message.scan else self.age
        if update.answered:
            age.answered(update.asked)
        else:
            age.failed()
        self._show_age()
        changed = self.cache.refresh(update.rows, update.gone, update.started)
        if changed:
            self.live.want_figures(changed)
            self._figures.wake()
            self._show_new()

    def on_store_changed(self, message: StoreChanged) -> None:
        """Read the rows and figures that the recorder reports as changed."""
        if message.changes.missed:
            self.refresh_now()
            return
        ids = [change.invocation_id for change in message.changes.changes]
        known = [id_ for id_ in ids if self.cache.get(id_)]
        unknown = [id_ for id_ in ids if self.cache.is_new(id_)]
        # A recorder that catches up reports thousands of old invocations.
        self.live.want([*known, *(unknown if len(unknown) <= FEW else ())])
        self.live.want_figures(known)
        self._changed.wake()
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
        """Show the figures."""
        if self.cache.add_figures(message.update.rows, message.update.started):
            self._show_new()
        if self.live.figures_wanted:
            self._figures.wake()

    def read_pages(self) -> None:
        """Read the pages at once instead of at the next round."""
        if self.poller:
            self.poller.wake()

    def _show_new(self) -> None:
        """Show what was read; in a list of the newest, a cursor on the first row stays there."""
        self.query_one(ListHeader).show_counts(self.cache.rows, more=self.cache.more)
        newest_first = self.list_query.sort == "age" and not self.list_query.reverse
        self.show(stay_at_top=newest_first and self.held_rows is None)

    def show(self, *, stay_at_top: bool = False) -> None:
        """Show the rows that match the query, and chips for the active filters and modes."""
        rows = self.list_query.apply(self._rows, self.dashboard.now(), self.search.found)
        self.listing.list_query = self.list_query
        self.listing.show_rows(rows, stay_at_top=stay_at_top)
        self.set_class(not rows, "empty")
        if not rows:
            self.query_one("#empty", Static).update(self._why_empty())
        self._show_chips()

    @property
    def _rows(self) -> tuple[Invocation, ...]:
        if self.held_rows is not None:
            return self.held_rows
        return self.cache.all_rows if self.search.active else self.cache.rows

    def _why_empty(self) -> str:
        if not self.reads:
            return "Reading ..."
        if self._rows:
            return self._why_nothing_matches()
        if self.cache.missing:
            return "No invocations to show.\n\n" + "\n".join(self.cache.missing)
        return (
            "No invocations yet.\n\nThey appear here as soon as a client calls a service.\n"
            "Run `playhead demo` for sample agents."
        )

    def _why_nothing_matches(self) -> str:
        remove = "Press Esc to remove the filter."
        if self.held_rows is not None or not self._must_search or self.search.done:
            return "\n\n".join(("No invocation matches the filter.", *self.search.missing, remove))
        none = f"None of the newest {len(self.cache.rows)} invocations matches."
        if self.search.failed:
            return "\n\n".join(
                (none, "The older ones cannot be searched:", *self.search.missing, remove)
            )
        return f"{none}\n\nSearching the older ones ..."

    def _filtered(self, total: str) -> str:
        """Return how many rows match, and what was searched."""
        shown = len(self.listing.rows)
        if self.held_rows is not None or not self._must_search:
            return f"{shown} of {total}"
        if self.search.failed:
            return f"{shown} of {total}, older ones cannot be searched"
        if not self.search.done:
            return f"{shown} of {total}, searching older ones ..."
        if not self.cache.more and not self.search.more:
            return f"{shown} of {total}"
        return f"the newest {shown} found" if self.search.more else f"{shown} found, all searched"

    def _show_chips(self) -> None:
        chips: list[tuple[str, str]] = []
        tail = ""
        total = len(self.cache.rows if self.held_rows is None else self.held_rows)
        newest = f"the newest {total}" if self.cache.more else str(total)
        if self.list_query.text:
            chips.append((f"/ {self.list_query.text}", "primary"))
        if self.list_query.errors_only:
            chips.append(("errors only", "error"))
        if chips:
            tail = self._filtered(newest)
        elif self.list_query.sort != "age" and self.cache.more:
            tail = f"sorted among {newest}"
        if self.held_rows is not None:
            shown = {row.id for row in self.held_rows}
            new = sum(row.id not in shown for row in self.cache.rows)
            chips.append((f"held, +{new}", "warning"))
        if self.listing.follow:
            chips.append(("following", "success"))
        self.query_one(Chips).show_chips(chips, tail)

    # Messages of the list.

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Update the chips: moving the cursor ends following."""
        self._show_chips()

    def on_rows_view_chosen(self, message: RowsView.Chosen) -> None:
        """Open the invocation."""
        self.action_open()

    def on_rows_view_near_end(self) -> None:
        """Request the next older page."""
        if self.list_query.text or self.list_query.errors_only:
            self.search.want_more()
            self._search()
        elif self.cache.more and not self.cache.older_wanted and self.held_rows is None:
            self.cache.older_wanted = True
            self.read_pages()

    def set_filter(self, text: str) -> None:
        """Filter by this text; by all but its last condition while that is not complete."""
        usable = next((one for one in (text, without_last(text)) if problem(one) is None), None)
        if usable is not None:
            self._change_query(text=usable.strip())

    def filter_problem(self, text: str) -> str | None:
        """Return what is wrong with a filter, in one line."""
        return problem(text)

    def complete_filter(self, text: str) -> Completion | None:
        """Return how a filter can continue."""
        return complete(text, known_values(self.cache.all_rows))

    def _change_query(self, **changes: Any) -> None:
        self.list_query = replace(self.list_query, **changes)
        self.search.begin(self.list_query)
        if not self.search.active:
            self.cache.drop_outside()
        self.show()
        self._search()

    def _search(self) -> None:
        if self._searches:
            self._searches.wake()

    # Keys.

    def action_open(self) -> None:
        """Open the invocation under the cursor."""
        if self.current:
            self.dashboard.open_invocation(self.current.id)

    def action_filter(self) -> None:
        """Open the filter line."""
        self.open_filter(self.list_query.text)

    def action_errors(self) -> None:
        """Show only invocations that failed or are failing, or all again."""
        self._change_query(errors_only=not self.list_query.errors_only)

    def action_preset(self, number: int) -> None:
        """Set the filter of a number key; the same key again removes it."""
        wanted = PRESETS[number - 1][1]
        self.set_filter("" if self.list_query.text == wanted else wanted)

    def action_failures(self) -> None:
        """Show groups of equal failures, among the invocations that match the filter."""
        from playhead_tui.screens.failures import FailuresScreen

        self._open_groups(FailuresScreen)

    def action_agents(self) -> None:
        """Show the calls of agents, of the invocations that match the filter."""
        from playhead_tui.screens.agents import AgentsScreen

        self._open_groups(AgentsScreen)

    def _open_groups(self, kind: type[GroupScreen[Any]]) -> None:
        from playhead.filters.language import parse

        text = str(parse(self.list_query.text).without_wait)
        self.dashboard.push_screen(kind(self.dashboard, text, self.set_filter))

    def action_sort(self) -> None:
        """Sort by the next column."""
        names = list(SORTS)
        after = names[(names.index(self.list_query.sort) + 1) % len(names)]
        self._change_query(sort=after)

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._change_query(reverse=not self.list_query.reverse)

    def action_hold_view(self) -> None:
        """Hold the view or let it continue; polling continues in any case."""
        self.held_rows = self.cache.rows if self.held_rows is None else None
        self.show()

    def action_follow(self) -> None:
        """Start or stop keeping the cursor on the newest invocation."""
        self.listing.follow = 0 if self.listing.follow else -1
        self.show()

    def action_match(self, step: int) -> None:
        """Go to the next or previous match; without a filter, to the next failing row."""
        rows = self.listing.rows
        for distance in range(1, len(rows) + 1):
            row = rows[(self.listing.place + step * distance) % len(rows)]
            if self.list_query.text or is_failing(row):
                self.listing.follow = 0
                self.listing.go_to(row.id)
                return

    def action_back(self) -> None:
        """Undo one layer: the filter, errors only, the hold, following. Never quit."""
        if self.list_query.text:
            self.set_filter("")
        elif self.list_query.errors_only:
            self.action_errors()
        elif self.held_rows is not None:
            self.action_hold_view()
        elif self.listing.follow:
            self.action_follow()

    def action_act(self) -> None:
        """Show the possible actions."""
        if self.current:
            self.choose_action(self.current)

    def action_answer(self) -> None:
        """Answer the awakeable or the promise that it waits for."""
        if self.current:
            self.answer(self.current.id)

    def action_copy(self) -> None:
        """Show the texts to copy."""
        if self.current:
            self.choose_copy(self.current)
