"""The first screen: the list of invocations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from playhead.model import SORTS, GroupKey, Invocation
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Static

from playhead_tui.drawing.glyphs import ASCII
from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.filtering import (
    FILTER_HINT,
    complete,
    known_values,
    problem,
    without_last,
)
from playhead_tui.screens.list_state import ListState
from playhead_tui.screens.list_views import ListViews
from playhead_tui.sources.list_query import is_failing
from playhead_tui.widgets.activity_line import ActivityLine
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.invocation_list import InvocationList
from playhead_tui.widgets.key_footer import KeyFooter
from playhead_tui.widgets.list_header import ListHeader
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.preview import Preview
from playhead_tui.widgets.rows import RowsView

if TYPE_CHECKING:
    from playhead.filters.completion import Completion

__all__ = ["InvocationsScreen"]


class InvocationsScreen(ListViews):
    """A live list below counters; Enter opens an invocation."""

    DEFAULT_CSS = """
    InvocationsScreen #empty { display: none; height: 1fr; padding: 2 4; color: $foreground 70%; }
    InvocationsScreen.-short #empty, InvocationsScreen.-tiny #empty { padding: 0 2; }
    InvocationsScreen.empty #empty { display: block; }
    InvocationsScreen #rows { layout: horizontal; height: 1fr; }
    InvocationsScreen #preview { display: none; width: 2fr; border-left: solid $panel; }
    InvocationsScreen.wide #preview { display: block; }
    InvocationsScreen.wide InvocationList { width: 3fr; }
    InvocationsScreen.empty #rows { display: none; }
    InvocationsScreen.empty InvocationList { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter"),
        Binding("e", "errors", "Errors"),
        Binding("space", "mark", "Mark"),
        Binding("x", "act", "Actions"),
        Binding("ctrl+@,ctrl+space", "mark_range", "Mark up to here", show=False),
        Binding("X", "act_on_all", "Actions on all that match", show=False),
        Binding("b", "group", "Group by service, status, error, key", show=False),
        Binding("s", "sort", "Next sort column", show=False),
        Binding("S", "reverse", "Reverse order", show=False),
    ]
    FILTER_HINT = FILTER_HINT
    AGES_SECONDS = 1.0
    """Pause between two drawings of ages; new rows draw them, too."""
    AGES_SLACK = 0.15
    """Time for which ages wait for new rows, which arrive about as often in a busy list."""

    def __init__(self, dashboard: Dashboard) -> None:
        super().__init__(dashboard)
        self.held_rows: tuple[Invocation, ...] | None = None
        """The rows on screen while the view is held."""
        self._listing = InvocationList(now=dashboard.now, glyphs=dashboard.glyphs)
        self._header = ListHeader(glyphs=dashboard.glyphs)

    def compose(self) -> ComposeResult:
        """Lay out the header, the chips, the rows, the notes and the keys."""
        glyphs = self.dashboard.glyphs
        yield self._header
        yield ActivityLine(ascii_only=glyphs is ASCII)
        yield Chips(glyphs=glyphs)
        with Container(id="rows"):
            yield self._listing
            yield Preview(glyphs=glyphs)
        yield Static("", id="empty", markup=False)
        yield Notes(glyphs=glyphs)
        yield KeyFooter()

    def focus_rows(self) -> None:
        """Move the focus back to the list."""
        self.listing.focus()

    def on_mount(self) -> None:
        """Focus the list and redraw it every second: ages grow without new data."""
        self.listing.focus()
        self.listing.chosen = self.columns
        self.set_interval(1.0, self._tick)

    def on_screen_resume(self) -> None:
        """Show how old the rows are until they are read again."""
        self.show_age()

    def _tick(self) -> None:
        """Redraw ages; durations stop growing when the server no longer answers."""
        if not self.in_sight():
            return
        self.show_age()
        if not self.reads:
            self.show()
        left = self.AGES_SECONDS - self.listing.seconds_since_refresh
        if left > 0:
            after = asyncio.get_running_loop().call_later  # a timer takes several times as long
            after(left + self.AGES_SLACK, self._draw_ages)
        else:
            self._draw_ages()

    def _draw_ages(self) -> None:
        """Draw ages again, unless new rows have drawn them meanwhile."""
        if not self.is_running or not self.in_sight():
            return
        if self.listing.seconds_since_refresh >= self.AGES_SECONDS:
            self.listing.refresh_changed()

    def show_age(self) -> None:
        """Show how old the rows are."""
        self.listing.as_of = self.age.stale_since
        self._header.show_age(self.age.text() or self._scan_age())

    def _scan_age(self) -> str:
        text = self.scan_age.text()
        return f"new invocations: {text}" if text else ""

    @property
    def listing(self) -> InvocationList:
        """The list widget."""
        return self._listing

    @property
    def current(self) -> Invocation | None:
        """The invocation under the cursor."""
        return self.listing.current

    # Polling.

    def start_polling(self) -> None:
        """Start polling, and show the connections."""
        if self.dashboard.connection:
            self._header.show_labels(self.dashboard.connection.labels)
        super().start_polling()

    def rows_in_view(self) -> Sequence[Invocation]:
        """Return the rows in view."""
        return self.listing.rows_in_view

    def show_new(self) -> None:
        """Show what was read; in a list of the newest, a cursor on the first row stays there."""
        self._show_counts()
        self.show(stay_at_top=self.list_query.order.newest_first and self.held_rows is None)

    def show_totals(self) -> None:
        """Show the totals; they are no part of the rows."""
        self._show_counts()
        self._show_chips()

    def _show_counts(self) -> None:
        older = self.totals.recounts != self.cache.recounts
        totals = self.totals.everything
        self._header.show_counts(self.cache.rows, totals, more=self.cache.more, older=older)

    def show(self, *, stay_at_top: bool = False) -> None:
        """Show the rows that match the query, and chips for the active filters and modes."""
        last = self.search.last if self.must_search and self.held_rows is None else None
        rows = self.list_query.apply(self._rows, self.dashboard.now(), self.search.found, last)
        self.listing.list_query = self.list_query
        self.listing.show_rows(rows, stay_at_top=stay_at_top)
        self.set_class(not rows, "empty")
        if rows and self.focused is None:
            self.listing.focus()  # a list without rows is hidden, which takes its focus
        if not rows:
            self.query_one("#empty", Static).update(self._why_empty())
        self._show_chips()
        self.choose_wanted(self.listing)

    @property
    def is_reading(self) -> bool:
        """Whether the first rows are being read, or those that match."""
        found = self.search.done or self.search.failed or not self.must_search
        return not self.reads or not found

    @property
    def _rows(self) -> tuple[Invocation, ...]:
        if self.held_rows is not None:
            return self.held_rows
        return self.cache.all_rows if self.search.active else self.cache.rows

    @property
    def _state(self) -> ListState:
        totals = self.totals
        return ListState(
            self.list_query,
            self.search,
            shown=len(self.listing.rows),
            read=len(self.cache.rows if self.held_rows is None else self.held_rows),
            more=self.cache.more,
            local=self.held_rows is not None or not self.must_search,
            everything=totals.everything.invocations if totals.everything else None,
            matching=totals.matching if totals.conditions == self.list_query.conditions else None,
        )

    def _why_empty(self) -> str:
        if not self.reads:
            return f"Reading ... {self.age.text()}".strip()
        if self._rows:
            return self._state.why_nothing_matches
        if self.cache.missing:
            return "No invocations to show.\n\n" + "\n".join(self.cache.missing)
        return (
            "No invocations yet.\n\nThey appear here as soon as a client calls a service.\n"
            "Run `playhead demo` for sample agents."
        )

    def _show_chips(self) -> None:
        chips: list[tuple[str, str]] = []
        if self.list_query.text:
            chips.append((f"/ {self.list_query.text}", "primary"))
        if self.list_query.errors_only:
            chips.append(("errors only", "error"))
        if self.held_rows is not None:
            shown = {row.id for row in self.held_rows}
            new = sum(row.id not in shown for row in self.cache.rows)
            chips.append((f"held, +{new}", "warning"))
        if self.hidden_sort:
            chips.append((f"sorted by {self.hidden_sort}", "primary"))
        if self.listing.follow:
            chips.append(("following", "success"))
        if self.listing.marked:
            chips.append((f"{len(self.listing.marked)} marked", "accent"))
        self.query_one(Chips).show_chips(chips, self._state.tail)

    # Messages of the list.

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Update the chips: moving the cursor ends following."""
        self._show_chips()

    def on_rows_view_chosen(self, message: RowsView.Chosen) -> None:
        """Open the invocation."""
        self.action_open()

    def on_rows_view_near_end(self) -> None:
        """Request the next older page."""
        if self.search.active:
            self.search.want_more()
            self.search_now()
        elif self.cache.more and not self.cache.older_wanted and self.held_rows is None:
            self.cache.older_wanted = True
            self.read_pages()

    def set_filter(self, text: str) -> None:
        """Filter by this text; by all but its last condition while that is not complete."""
        usable = next((one for one in (text, without_last(text)) if problem(one) is None), None)
        if usable is not None:
            self.change_query(text=usable.strip())

    def filter_problem(self, text: str) -> str | None:
        """Return what is wrong with a filter, in one line."""
        return problem(text)

    def complete_filter(self, text: str) -> Completion | None:
        """Return how a filter can continue."""
        return complete(text, known_values(self.cache.all_rows))

    def change_query(self, **changes: Any) -> None:
        """Change the query, and show what matches."""
        self.list_query = replace(self.list_query, **changes)
        self.search.begin(self.list_query)
        if not self.search.active:
            self.cache.drop_outside()
        self.show()
        self.search_now()

    # Keys.

    def action_open(self) -> None:
        """Open the invocation under the cursor."""
        if row := self.selected(self.current):
            self.dashboard.open_invocation(row.id)

    def action_filter(self) -> None:
        """Open the filter line."""
        self.open_filter(self.list_query.text)

    def action_errors(self) -> None:
        """Show only invocations that failed or are failing, or all again."""
        self.change_query(errors_only=not self.list_query.errors_only)

    @property
    def counted_filter(self) -> str:
        """The filter of the list, as far as it can be asked of the store."""
        from playhead.filters.language import parse

        return str(parse(self.list_query.text).without_wait)

    def action_group(self) -> None:
        """Show groups of the invocations that match the filter."""
        self.open_groups_by("service")

    def open_groups_by(self, by: GroupKey) -> None:
        """Show groups of the invocations that match the filter."""
        from playhead_tui.screens.invocation_groups import InvocationGroupsScreen

        groups = InvocationGroupsScreen(self.dashboard, self.counted_filter, by=by, view=self.view)
        self.dashboard.push_screen(groups)

    def action_sort(self) -> None:
        """Sort by the next column."""
        names = list(SORTS)
        after = names[(names.index(self.list_query.sort) + 1) % len(names)]
        self.change_query(sort=after)

    def action_reverse(self) -> None:
        """Reverse the order."""
        self.change_query(reverse=not self.list_query.reverse)

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
        self.dashboard.notify("No match." if self.list_query.text else "No row is failing.")

    def action_back(self) -> None:
        """Undo one layer: the marks, the filter, errors only, the hold, following. Never quit."""
        if self.listing.marked:
            self.listing.clear_marks()
            self._show_chips()
        elif self.list_query.text:
            self.leave_filter()
        elif self.list_query.errors_only:
            self.action_errors()
        elif self.held_rows is not None:
            self.action_hold_view()
        elif self.listing.follow:
            self.action_follow()
        else:
            self.dashboard.notify("Nothing to undo. Press q to quit.")

    def action_mark(self) -> None:
        """Mark the invocation for an action on many, or remove its mark."""
        if self.selected(self.current):
            self.listing.toggle_mark()
            self._show_chips()

    def action_mark_range(self) -> None:
        """Mark all invocations from the last mark to the cursor."""
        if self.selected(self.current):
            self.listing.mark_range()
            self._show_chips()

    def action_act(self) -> None:
        """Show the possible actions, on the marked invocations if any are."""
        from playhead_tui.actions.bulk import change_marked

        if self.listing.marked:
            rows = tuple(self.listing.marked.values())
            act = change_marked(self.dashboard, rows, "Marked", self.listing.unmark)
            self.dashboard.run_dialog(act)
        elif row := self.selected(self.current):
            self.choose_action(row)

    def action_act_on_all(self) -> None:
        """Show the possible actions on all invocations that match the filter."""
        from playhead_tui.actions.bulk import change_matching

        conditions, unmark = self.list_query.conditions, self.listing.unmark
        self.dashboard.run_dialog(change_matching(self.dashboard, conditions, unmark))

    def action_answer(self) -> None:
        """Answer the awakeable or the promise that it waits for."""
        if row := self.selected(self.current):
            self.answer(row.id)

    def action_copy(self) -> None:
        """Show the texts to copy."""
        if row := self.selected(self.current):
            self.choose_copy(row)
