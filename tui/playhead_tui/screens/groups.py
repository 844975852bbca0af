"""The common base of the screens of groups: a list from the store, with a filter."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from playhead.text import clean
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from playhead_tui.actions.copy import as_json
from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.filtering import FILTER_HINT, complete, problem
from playhead_tui.screens.polling import PollingScreen, ReadFailed
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.group_list import Column, GroupList
from playhead_tui.widgets.key_footer import KeyFooter
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.title_line import TitleLine

__all__ = ["CountedInvocations", "GroupScreen", "Groups"]

Group = TypeVar("Group")
UNUSED = ("hold_view", "follow", "match", "answer")
"""Actions of the base that have no meaning for groups."""


@dataclass(frozen=True)
class Groups(Generic[Group]):
    """Groups that were read."""

    rows: Sequence[Group]
    title: str
    """What was counted, for the first line."""
    missing: tuple[str, ...] = field(default=())


class GroupsRead(Message):
    """Posted when groups were read; `filter` is the filter of the read."""

    def __init__(self, groups: Groups[Any], filter_: str) -> None:
        super().__init__()
        self.groups = groups
        self.filter = filter_

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest groups."""
        return isinstance(message, GroupsRead)


class GroupScreen(PollingScreen, Generic[Group]):
    """A list of groups from the store, with a filter."""

    DEFAULT_CSS = """
    GroupScreen #title { height: 1; background: $panel; padding: 0 1; }
    GroupScreen #empty { display: none; height: 1fr; padding: 2 4; color: $foreground 70%; }
    GroupScreen.empty #empty { display: block; }
    GroupScreen.empty GroupList { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter"),
        Binding("escape", "back", "Back"),
        Binding("y", "copy", "Copy"),
    ]
    CHANGES = frozenset()
    SECONDS = 5.0
    SHARE = 20.0
    FILTER_HINT = FILTER_HINT
    NAME: ClassVar[str]
    EMPTY: ClassVar[str]

    def __init__(self, dashboard: Dashboard, filter_: str = "") -> None:
        """Create the screen.

        Args:
            dashboard: the app.
            filter_: only groups that match are shown.
        """
        super().__init__(dashboard)
        self.filter = filter_
        self._loaded = False
        self._left: str | None = None
        """The row under the cursor."""

    # For subclasses.

    @abstractmethod
    def columns(self) -> Sequence[Column[Group]]:
        """Return the columns."""
        raise NotImplementedError

    @abstractmethod
    def key_of(self, group: Group) -> str:
        """Return the identity of a group."""
        raise NotImplementedError

    @abstractmethod
    async def read_groups(self, filter_: str) -> Groups[Group]:
        """Read the groups."""
        raise NotImplementedError

    @abstractmethod
    def open_group(self, group: Group) -> None:
        """Show what is in a group; called when it is chosen."""
        raise NotImplementedError

    def shown(self) -> None:
        """Follow up on new rows."""

    def is_wanted(self, groups: Groups[Group]) -> bool:
        """Return whether groups that were read are those to show."""
        return True

    @property
    def place(self) -> str:
        """Name under which the row is kept; empty to begin with the first row each time."""
        return self.NAME

    # The screen.

    def compose(self) -> ComposeResult:
        """Lay out the title, the chips, the groups, the notes and the keys."""
        glyphs = self.dashboard.glyphs
        yield TitleLine(self.NAME)
        yield Chips(glyphs=glyphs)
        yield GroupList(self.columns(), self.key_of, glyphs=glyphs)
        yield Static("Reading ...", id="empty", markup=False)
        yield Notes(glyphs=glyphs)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Focus the list, and read."""
        self.listing.focus()
        self.add_class("empty")
        self._show_chips()
        if self.dashboard.connection:
            self.start_polling()

    @property
    def listing(self) -> GroupList[Group]:
        """The list widget."""
        return self.query_one(GroupList)  # pyright: ignore[reportUnknownVariableType]

    def focus_rows(self) -> None:
        """Move the focus back to the list."""
        self.listing.focus()

    @property
    def is_reading(self) -> bool:
        """Whether the first groups are being read."""
        return not self._loaded

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Remove the actions of the base that have no meaning here, and forbidden ones."""
        return action not in UNUSED and super().check_action(action, parameters)

    async def read(self) -> GroupsRead:
        """Read the groups."""
        wanted = self.filter
        return GroupsRead(await self.read_groups(wanted), wanted)

    def deliver(self, result: GroupsRead) -> None:
        """Post the groups to the handler."""
        self.post_message(result)

    def on_groups_read(self, message: GroupsRead) -> None:
        """Show the groups, unless the filter has changed meanwhile."""
        if message.filter != self.filter or not self.is_wanted(message.groups):
            return
        groups = message.groups
        self.query_one(TitleLine).show_text(f"{self.NAME}  {clean(groups.title)}")
        self.set_class(not groups.rows, "empty")
        if not groups.rows:
            more = "\n\nPress Esc to remove the filter." if self.filter else ""
            self.query_one("#empty", Static).update(self.EMPTY + more)
        elif self.focused is None:
            self.listing.focus()  # a list without rows is hidden, which takes its focus
        self.listing.show_rows(groups.rows, stay_at_top=not self._loaded)
        if not self._loaded and (row := self.dashboard.kept.texts("rows").get(self.place)):
            self.listing.go_to(row)
        self._loaded = True
        self.shown()
        self.choose_wanted(self.listing)
        self.query_one(Notes).show_notes((*self.dashboard.notes, *groups.missing))

    def fail(self, error: Exception) -> None:
        """Post what is wrong and what to do."""
        hint = getattr(error, "hint", "")
        self.post_message(ReadFailed(f"{str(error).rstrip('.')}. {hint}".strip()))

    def on_read_failed(self, message: ReadFailed) -> None:
        """Show why nothing can be read; groups that were read stay."""
        if not self._loaded:
            message.prevent_default()  # the notes would repeat it
            self.query_one("#empty", Static).update(message.text)
            self.query_one(Notes).show_notes(self.dashboard.notes)

    def _show_chips(self) -> None:
        chips = [(f"/ {self.filter}", "primary")] if self.filter else []
        self.query_one(Chips).show_chips(chips)

    def filter_problem(self, text: str) -> str | None:
        """Return what is wrong with a filter, in one line."""
        if (wrong := problem(text)) is not None:
            return wrong
        from playhead.filters.language import parse

        waits = parse(text).has_wait
        return "wait cannot be used here: it is not stored." if waits else None

    def complete_filter(self, text: str) -> Any:
        """Return how a filter can continue."""
        return complete(text, {})

    def set_filter(self, text: str) -> None:
        """Count only invocations that match, unless the text is wrong or not complete yet."""
        if self.filter_problem(text) is None and text.strip() != self.filter:
            self.filter = text.strip()
            self._show_chips()
            self.refresh_now()

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Remember the row under the cursor."""
        if self._loaded:
            self._left = self.listing.cursor

    def on_unmount(self) -> None:
        """Keep the row under the cursor for the next time."""
        if self.place and self._left:
            self.dashboard.kept.put_newest("rows", self.place, self._left)

    def on_rows_view_chosen(self, message: RowsView.Chosen) -> None:
        """Open the group."""
        group = self.listing.current
        if group is not None:
            self.open_group(group)

    def action_filter(self) -> None:
        """Open the filter line."""
        self.open_filter(self.filter)

    def action_copy(self) -> None:
        """Copy the group as JSON."""
        if (group := self.selected(self.listing.current)) is not None:
            self.dashboard.copy_text(as_json(group))

    def show_in_list(self, filter_: str) -> None:
        """Show the invocations that match a filter; Esc comes back from them."""
        self.dashboard.show_invocations(
            filter_, lambda: self.dashboard.push_screen(self.copy_to_open())
        )

    def copy_to_open(self) -> GroupScreen[Group]:
        """Return a new screen with the same groups; it opens on the same row."""
        return type(self)(self.dashboard, self.filter)

    def action_back(self) -> None:
        """Undo one layer: the filter, or the screen."""
        if self.filter:
            self.set_filter("")
        else:
            self.dismiss()


class CountedInvocations(GroupScreen[Group], Generic[Group]):
    """Groups of invocations; Enter shows those of one group in the list of invocations."""

    @property
    def counted_filter(self) -> str:
        """The same filter."""
        return self.filter

    @abstractmethod
    def filter_of(self, group: Group) -> str:
        """Return the filter that selects the invocations of a group."""
        raise NotImplementedError

    def open_group(self, group: Group) -> None:
        """Show the invocations of the group."""
        self.show_in_list(f"{self.filter_of(group)} {self.filter}".strip())
