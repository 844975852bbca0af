"""The list's view: its query and columns, under a name or from the last run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from playhead.columns import COLUMNS, known_columns
from playhead.model import SORTS, GroupKey, SortKey
from playhead.saved_views import SavedView
from textual.binding import Binding, BindingType

from playhead_tui.screens.list_activity import ListActivity
from playhead_tui.sources.list_query import ListQuery
from playhead_tui.widgets.invocation_list import USUAL, InvocationList
from playhead_tui.widgets.rows import RowsView

__all__ = ["ListViews"]


class Preset(NamedTuple):
    """A filter or an order that a number key sets."""

    description: str
    filter: str = ""
    sort: SortKey | None = None


PRESETS = (
    Preset("Running", "status:running"),
    Preset("Retrying", "status:retrying"),
    Preset("Paused", "status:paused"),
    Preset("Stuck", "status:stuck"),
    Preset("Failed", "status:failed"),
    Preset("Had failures", "failures>0"),
    Preset("Waiting for a person", "wait:approval"),
    Preset("Slowest", sort="duration"),
    Preset("Most expensive", sort="cost"),
)
"""The number keys, from 1."""


class ListViews(ListActivity):
    """A list whose columns are chosen, and whose views have names."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"preset({number})", description, show=False)
            for number, (description, *_) in enumerate(PRESETS, 1)
        ),
        Binding("c", "columns", "Columns", show=False),
        Binding("v", "views", "Saved views", show=False),
        Binding("V", "save_view", "Save this view", show=False),
    ]

    columns: tuple[str, ...] = ()
    """Columns that were chosen, in order; empty for the usual ones."""
    _begun: SavedView | None = None
    """View of the command line."""
    _way_back: tuple[str, str, Callable[[], object]] | None = None
    """The filter that another screen has set, the one before it, and how to go back there."""

    # For the subclass.

    @abstractmethod
    def change_query(self, **changes: Any) -> None:
        """Change the query, and show what matches."""
        raise NotImplementedError

    @abstractmethod
    def open_groups_by(self, by: GroupKey) -> None:
        """Show groups of the invocations that match."""
        raise NotImplementedError

    # Views.

    @property
    def view(self) -> SavedView:
        """The view on screen."""
        query = self.list_query
        return SavedView(query.conditions, query.sort, query.reverse, columns=self.columns)

    def show_matching(self, text: str, back: Callable[[], object]) -> None:
        """Filter by this text, for another screen; `leave_filter` then goes back there."""
        before = self.list_query.text
        self.set_filter(text)
        self._way_back = self.list_query.text, before, back

    def leave_filter(self) -> None:
        """Remove the filter, or go back to the screen that has set it."""
        way, self._way_back = self._way_back, None
        if way is None or way[0] != self.list_query.text:
            self.set_filter("")
            return
        _, before, back = way
        self.set_filter(before)
        back()

    def show_view(self, view: SavedView) -> None:
        """Show a view; one with groups opens them."""
        self.show_columns(view.columns)
        self.change_query(text=view.filter, errors_only=False, sort=view.sort, reverse=view.reverse)
        if view.group_by:
            self.open_groups_by(view.group_by)

    def show_columns(self, names: tuple[str, ...]) -> None:
        """Show these columns, or the usual ones."""
        self.columns = names
        for listing in self.query(InvocationList):
            listing.chosen = names
            listing.refresh()

    def restore(self, view: SavedView | None) -> None:
        """Begin with a view, or with what was kept from the last run."""
        query = ListQuery.of(view) if view else ListQuery.kept(self.dashboard.kept)
        kept = known_columns(self.dashboard.kept.texts("list").get("columns", ""))
        self.columns = view.columns if view and view.columns else kept
        if query != self.list_query:
            self.list_query = query
            self.search.begin(query)
        self._begun = self.view if view else None

    def keep(self) -> None:
        """Keep query and columns for the next run, unless they are those of the command line."""
        if self.view == self._begun:
            return
        self.dashboard.kept.put("list", {
            **self.list_query.to_keep(), "columns": ",".join(self.columns),
        })  # fmt: skip

    @property
    def hidden_sort(self) -> str:
        """Heading of the column to sort by if it is not on screen; else empty."""
        listing, query = self.query_one(InvocationList), self.list_query
        if query.order.newest_first or query.sort in listing.shown_columns:
            return ""
        return COLUMNS[query.sort].heading

    # Keys.

    def action_columns(self) -> None:
        """Choose the columns, and their order."""
        from playhead_tui.dialogs.column_chooser import ColumnChooser

        def apply(chosen: str | None) -> None:
            if chosen is not None:
                self.show_columns(known_columns(chosen))

        self.dashboard.push_screen(ColumnChooser(self.columns or USUAL, USUAL), apply)

    def action_views(self) -> None:
        """Open a saved view, or save, rename or delete one."""
        from playhead_tui.actions.views import choose_view

        self.dashboard.run_dialog(choose_view(self.dashboard, self.view, self.show_view))

    def action_save_view(self) -> None:
        """Save the view on screen under a name."""
        from playhead_tui.actions.views import save_view

        self.dashboard.run_dialog(save_view(self.dashboard, self.view))

    def on_rows_view_head_clicked(self, message: RowsView.HeadClicked) -> None:
        """Sort by the column; a second click reverses the order."""
        query = self.list_query
        wanted = next((sort for sort in SORTS if sort == message.column), None)
        if wanted is None:
            self.dashboard.notify(f"No order by {COLUMNS[message.column].heading.lower()}.")
        else:
            self.change_query(sort=wanted, reverse=wanted == query.sort and not query.reverse)

    def action_preset(self, number: int) -> None:
        """Set the filter or the order of a number key; the same key again removes it."""
        _, wanted, sort = PRESETS[number - 1]
        if sort is not None:
            is_set = self.list_query.sort == sort and not self.list_query.reverse
            self.change_query(sort="age" if is_set else sort, reverse=False)
            return
        self.set_filter("" if self.list_query.text == wanted else wanted)
