"""The list of invocations, the first screen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from playhead.model import Invocation
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Footer, Static

from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.screens.polling import Failed, PollingScreen
from playhead_tui.sources.invocation_cache import PAGE, InvocationCache, Reading
from playhead_tui.sources.list_query import SORTS, ListQuery, is_failing
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.invocation_list import InvocationList
from playhead_tui.widgets.list_header import ListHeader
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.rows import RowsView

__all__ = ["InvocationsScreen"]


class Read(Message):
    """The source answered."""

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self.reading = reading

    def can_replace(self, message: Message) -> bool:
        """Never: each round may hold another page."""
        return False


class InvocationsScreen(PollingScreen):
    """Live rows under counters; Enter opens one."""

    DEFAULT_CSS = """
    InvocationsScreen #empty { display: none; height: 1fr; padding: 2 4; color: $foreground 70%; }
    InvocationsScreen.empty #empty { display: block; }
    InvocationsScreen.empty InvocationList { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter"),
        Binding("e", "errors", "Errors only"),
        Binding("space", "hold", "Hold"),
        Binding("x", "act", "Act"),
        Binding("s", "sort", "Sort by the next column", show=False),
        Binding("S", "reverse", "Turn the order round", show=False),
    ]
    SHARE = 50.0
    """A list of 100,000 invocations costs the server a tenth of a second: then every 5 s."""
    FILTER_HINT = "words in target, id, status, key or failure"

    def __init__(self, *, glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.arrangement = ListQuery()
        self.shelf = InvocationCache()
        self.reads = 0
        """Rounds of reading so far."""
        self.held: tuple[Invocation, ...] | None = None
        """The rows on screen while the view is held."""

    def compose(self) -> ComposeResult:
        """Top line, chips, rows, notes, keys."""
        yield ListHeader(glyphs=self.glyphs)
        yield Chips()
        yield InvocationList(now=self.playhead.now, glyphs=self.glyphs)
        yield Static("", id="empty", markup=False)
        notes = Notes(glyphs=self.glyphs)
        notes.id = "notes"
        yield notes
        yield Footer(show_command_palette=False)

    def focus_rows(self) -> None:
        """Give the keys to the list."""
        self.listing.focus()

    def on_mount(self) -> None:
        """Ages grow even while nothing new is read."""
        self.listing.focus()
        self.set_interval(1.0, self.listing.refresh)

    @property
    def listing(self) -> InvocationList:
        """The rows."""
        return self.query_one(InvocationList)

    @property
    def current(self) -> Invocation | None:
        """The invocation under the cursor."""
        return self.listing.current

    async def read(self) -> Reading:
        """The newest invocations, and further ones in turn."""
        return await self.shelf.read(self.playhead.source, self.arrangement)

    def deliver(self, result: Reading) -> None:
        """Hand the pages to the handler."""
        self.post_message(Read(result))

    def on_read(self, message: Read) -> None:
        """Show them, or count what is new while the view is held."""
        self.shelf.put(message.reading)
        self.reads += 1
        self.query_one(Notes).tell((*self.playhead.notes, *self.shelf.missing))
        self.query_one(ListHeader).tell(rows=self.shelf.rows, more=self.shelf.more)
        self.show()
        if self.shelf.older_wanted and self.poller:
            self.poller.wake()

    def on_failed(self, message: Failed) -> None:
        """Keep what is on screen and say why it stands still."""
        self.query_one(Notes).tell((*self.playhead.notes, message.text))

    def show(self) -> None:
        """Arrange the rows and say what is switched on."""
        rows = self.arrangement.apply(self._read_rows)
        self.listing.arrangement = self.arrangement
        self.listing.show_rows(rows)
        self.set_class(not rows, "empty")
        if not rows:
            self.query_one("#empty", Static).update(self._why_empty())
        self._tell_chips()

    @property
    def _read_rows(self) -> tuple[Invocation, ...]:
        return self.shelf.rows if self.held is None else self.held

    def _why_empty(self) -> str:
        if not self.reads:
            return "Reading ..."
        if self._read_rows:
            return "Nothing matches.\n\nEsc takes the filter away."
        if self.shelf.missing:
            return "Nothing to show.\n\n" + "\n".join(self.shelf.missing)
        return (
            "No invocations yet.\n\nThey appear here as soon as something calls a service.\n"
            "`playhead demo` runs sample agents to look at."
        )

    def _tell_chips(self) -> None:
        chips: list[tuple[str, str]] = []
        tail = ""
        read = self._read_rows
        newest = f"the newest {len(read)}" if self.shelf.more else str(len(read))
        if self.arrangement.text:
            chips.append((f"/ {self.arrangement.text}", "primary"))
        if self.arrangement.errors_only:
            chips.append(("errors only", "error"))
        if chips:
            tail = f"{len(self.listing.rows)} of {newest}"
        elif self.arrangement.sort != "age" and self.shelf.more:
            tail = f"sorted among {newest}"
        if self.held is not None:
            known = {row.id for row in self.held}
            new = sum(row.id not in known for row in self.shelf.rows)
            chips.append((f"paused, +{new}", "warning"))
        if self.listing.follow:
            chips.append(("following", "success"))
        self.query_one(Chips).tell(chips, tail)

    # What the rows say.

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Following ends when the cursor is moved."""
        self._tell_chips()

    def on_rows_view_chosen(self, message: RowsView.Chosen) -> None:
        """Open the invocation."""
        self.action_open()

    def on_rows_view_near_end(self) -> None:
        """Read further back."""
        filtering = self.arrangement.text or self.arrangement.errors_only
        if filtering:
            self.shelf.matches_wanted += PAGE
        elif self.shelf.more and not self.shelf.older_wanted and self.held is None:
            self.shelf.older_wanted = True
            if self.poller:
                self.poller.wake()

    def set_filter(self, text: str) -> None:
        """Filter while typing."""
        self._arrange(text=text.strip())

    def _arrange(self, **changes: Any) -> None:
        self.arrangement = replace(self.arrangement, **changes)
        self.shelf.matches_wanted = PAGE
        self.show()
        if self.shelf.more and self.poller:
            self.poller.wake()

    # Keys.

    def action_open(self) -> None:
        """Open the invocation under the cursor."""
        if self.current:
            self.playhead.open_invocation(self.current.id)

    def action_filter(self) -> None:
        """Type a filter."""
        self.open_filter(self.arrangement.text)

    def action_errors(self) -> None:
        """Show only what failed or fails."""
        self._arrange(errors_only=not self.arrangement.errors_only)

    def action_sort(self) -> None:
        """Sort by the next column."""
        names = list(SORTS)
        after = names[(names.index(self.arrangement.sort) + 1) % len(names)]
        self._arrange(sort=after)

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._arrange(reverse=not self.arrangement.reverse)

    def action_hold(self) -> None:
        """Hold the view, or let it go on; reading goes on in any case."""
        self.held = self.shelf.rows if self.held is None else None
        self.show()

    def action_follow(self) -> None:
        """Keep the cursor on the newest invocation."""
        self.listing.follow = 0 if self.listing.follow else -1
        self.show()

    def action_match(self, step: int) -> None:
        """Next or previous row of the filter; without a filter, of those that fail."""
        rows = self.listing.rows
        for distance in range(1, len(rows) + 1):
            row = rows[(self.listing.place + step * distance) % len(rows)]
            if self.arrangement.text or is_failing(row):
                self.listing.follow = 0
                self.listing.go_to(row.id)
                return

    def action_back(self) -> None:
        """Undo one layer: the filter, errors only, the hold. Never more."""
        if self.arrangement.text:
            self.set_filter("")
        elif self.arrangement.errors_only:
            self.action_errors()
        elif self.held is not None:
            self.action_hold()
        elif self.listing.follow:
            self.action_follow()

    def action_act(self) -> None:
        """Choose what to do with the invocation."""
        if self.current:
            self.playhead.choose_action(self.current)

    def action_answer(self) -> None:
        """Answer the approval that the invocation waits for."""
        if self.current:
            self.playhead.answer(self.current.id)

    def action_copy(self) -> None:
        """Choose what to copy."""
        if self.current:
            self.playhead.choose_copy(self.current)
