"""The common base of the list and the invocation screen: polling, filter line, dialogs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from playhead.model import Invocation, Step
from textual import events, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.errors import NoWidget
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

from playhead_tui.actions.changes import is_allowed
from playhead_tui.drawing.sparse_compositor import SparseCompositor
from playhead_tui.interfaces import Dashboard
from playhead_tui.sources.ages import SourceAge
from playhead_tui.sources.poller import Poller
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.rows import RowsView

if TYPE_CHECKING:
    from playhead.filters.completion import Completion
    from playhead.record.change_feed import Changes

    from playhead_tui.widgets.filter_bar import FilterBar

__all__ = ["PollingScreen", "ReadFailed"]

Row = TypeVar("Row")


class ReadFailed(Message, bubble=False):
    """Posted when a read failed; `text` is a message for the user."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest failure."""
        return isinstance(message, ReadFailed)


class StoreChanged(Message, bubble=False):
    """Posted when the recorder reports changes."""

    def __init__(self, changes: Changes) -> None:
        super().__init__()
        self.changes = changes

    def can_replace(self, message: Message) -> bool:
        """Keep every report: each names other invocations."""
        return False


class PollingScreen(Screen[None]):
    """A screen that polls the reader. Workers post messages; only handlers change widgets."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", show=False),
        Binding("p", "hold_view", "Hold view", show=False),
        Binding("f", "follow", "Follow newest", show=False),
        Binding("n", "match(1)", "Next match", show=False),
        Binding("N", "match(-1)", "Previous match", show=False),
        Binding("y", "copy", "Copy", show=False),
        Binding("a", "answer", "Answer", show=False),
    ]
    CHANGES: ClassVar[frozenset[str]] = frozenset({"act", "act_on_all", "answer"})
    """Actions that change something on the server; there are none with --read-only."""
    FILTER_HINT = ""
    FEED_WAIT = 20.0
    """Seconds that a request for changes waits."""
    FEED_PAUSE = 0.1
    """Pause between two requests for changes, in which changes collect."""
    NO_FEED_PAUSE = 2.0
    """Pause before the next request when no recorder answers."""
    SECONDS = 1.0
    SHARE = 10.0

    def __init__(self, dashboard: Dashboard) -> None:
        super().__init__()
        self._compositor = SparseCompositor()
        self.dashboard = dashboard
        self.poller: Poller[Any] | None = None
        self.age = SourceAge(dashboard.now)
        """When the server answered last."""
        self._position: str | None = None
        self.fed = False
        """Whether a recorder reports changes: it answered the last request for them."""
        self._was_covered = False
        self._choosing = False
        """Whether Enter was pressed while rows were being read."""
        self.pollers: list[Poller[Any]] = []
        """The pollers that run; `poller` is the first of them."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Remove the actions that change something where changes are forbidden."""
        return not (self.dashboard.read_only and action in self.CHANGES)

    def on_key(self, event: events.Key) -> None:
        """Say why a key does nothing: its action is forbidden, or the list has no rows."""
        self._choosing = False
        if event.key == "enter" and self._lacks_rows:
            self._choosing = self.is_reading
            if not self._choosing:
                self.selected(None)
        if self.dashboard.read_only and _action_of(type(self), event.key) in self.CHANGES:
            is_allowed(self.dashboard)

    @property
    def _lacks_rows(self) -> bool:
        """Whether the focus is on a list without rows, or lost because such a list is hidden."""
        focused = self.focused
        if isinstance(focused, RowsView):
            return not cast("RowsView[Any]", focused).rows
        return focused is None

    # Polling.

    def start_polling(self) -> None:
        """Start polling; called whenever connections have been opened."""
        for notes in self.query(Notes):
            notes.show_notes(self.dashboard.notes)
        if self.poller is None:
            self.pollers = self.make_pollers()
            self.poller = self.pollers[0]
            self.age.asked()
            for poller in self.pollers:
                self._poll(poller)

    def make_pollers(self) -> list[Poller[Any]]:
        """Return the pollers to run."""
        return [
            Poller(
                self.read,
                self.deliver,
                self.fail,
                seconds=self.SECONDS,
                share=self.SHARE,
                needed=self.in_sight,
            )
        ]

    def feed_poller(self) -> Poller[Changes | None]:
        """Return the poller that waits for changes in the store."""
        return Poller(
            self._read_changes,
            self._deliver_changes,
            lambda error: None,  # the reads of the screen show what is wrong with the recorder
            seconds=0.0,
            pause=lambda took: self.FEED_PAUSE if self.fed else self.NO_FEED_PAUSE,
            needed=self.in_sight,
        )

    async def _read_changes(self) -> Changes | None:
        found = None
        try:
            found = await self.dashboard.reader.changes(self._position, self.FEED_WAIT)
        finally:
            lost, self.fed = self.fed and found is None, found is not None
            if lost:
                self.refresh_now()
        if found:
            self._position = found.position
        return found

    def _deliver_changes(self, found: Changes | None) -> None:
        if found and (found.changes or found.missed):
            self.post_message(StoreChanged(found))

    def in_sight(self) -> bool:
        """Return whether the screen is visible: no screen but dialogs is above it."""
        stack = cast("App[Any]", self.app).screen_stack  # pyright: ignore[reportUnknownMemberType]
        if self not in stack:
            return False
        return all(isinstance(above, ModalScreen) for above in stack[stack.index(self) + 1 :])

    def on_screen_suspend(self) -> None:
        """Note that the screen is no longer visible, or that a dialog is above it."""
        self._was_covered = True

    def on_screen_resume(self) -> None:
        """Refresh a screen that becomes visible again; one that opens is being read already."""
        for poller in self.pollers:
            if self._was_covered or poller.is_asleep:
                poller.wake()

    def refresh_now(self) -> None:
        """Read at once instead of at the next poll."""
        for poller in self.pollers:
            poller.wake()

    @work(group="poll")
    async def _poll(self, poller: Poller[Any]) -> None:
        await poller.run()

    @abstractmethod
    async def read(self) -> Any:
        """Read once. Runs in a worker and must not change widgets."""
        raise NotImplementedError

    @abstractmethod
    def deliver(self, result: Any) -> None:
        """Post a message with the result. Runs in a worker."""
        raise NotImplementedError

    def fail(self, error: Exception) -> None:
        """Post a message about a failed read. Runs in a worker."""
        self.post_message(ReadFailed(f"Reading failed: {error or type(error).__name__}"))

    def on_read_failed(self, message: ReadFailed) -> None:
        """Keep the rows on screen and show why they are not updated."""
        self.query_one(Notes).show_notes((*self.dashboard.notes, message.text))

    def has_room(self, pane: Widget) -> bool:
        """Return whether a pane shows a title and two lines: small terminals cut panes."""
        with suppress(NoWidget):
            return self.find_widget(pane).visible_region.height > 2
        return False

    def selected(self, row: Row | None) -> Row | None:
        """Return the row under the cursor; without one, say so: no key does nothing unseen."""
        if row is None:
            reading = "Reading ... Press the key again in a moment."
            self.dashboard.notify(reading if self.is_reading else "No row is selected.")
        return row

    @property
    def is_reading(self) -> bool:
        """Whether what the screen shows is still being read."""
        return False

    def choose_wanted(self, rows: RowsView[Any]) -> None:
        """Choose the row under the cursor, if Enter was pressed while rows were being read."""
        if self._choosing and (rows.rows or not self.is_reading):
            self._choosing = False
            if self.is_current and self.selected(rows.current) is not None:
                rows.action_choose()

    # The filter line.

    def open_filter(self, text: str) -> None:
        """Show the filter line unless it is already open."""
        from playhead_tui.widgets.filter_bar import FilterBar

        if not self.query(FilterBar):
            bar = FilterBar(
                text, self.FILTER_HINT, problem=self.filter_problem, complete=self.complete_filter
            )
            notes = self.query_one(Notes)
            self.mount(bar.help, before=notes)
            self.mount(bar, before=notes)
            bar.focus()

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Filter while typing."""
        self.set_filter(message.text)

    def on_filter_bar_closed(self, message: FilterBar.Closed) -> None:
        """Remove the line; from now on the chip shows the filter."""
        from playhead_tui.widgets.filter_bar import FilterBar

        for bar in self.query(FilterBar):
            bar.help.remove()
            bar.remove()
        self.set_filter(message.text)
        self.focus_rows()

    def filter_problem(self, text: str) -> str | None:
        """Return what is wrong with a filter, in one line; None if it can be used."""
        return None

    def complete_filter(self, text: str) -> Completion | None:
        """Return how a filter can continue; None without completion."""
        return None

    def set_filter(self, text: str) -> None:
        """Filter by this text; does nothing on a screen without a filter."""

    @property
    def counted_filter(self) -> str:
        """The filter of the invocations that failures and agents, opened from here, count."""
        return ""

    @abstractmethod
    def focus_rows(self) -> None:
        """Move the focus back to the rows."""
        raise NotImplementedError

    # Dialogs. Their modules are imported when they are opened: the first paint needs none.

    def choose_action(self, row: Invocation, step: Step | None = None) -> None:
        """Show the actions for an invocation and its selected step, and perform one."""
        from playhead_tui.actions.invocation import choose_action

        self.dashboard.run_dialog(choose_action(self.dashboard, row, step))

    def choose_copy(
        self,
        row: Invocation,
        more: dict[str, tuple[tuple[str, str], Callable[[], str]]] | None = None,
        step: Step | None = None,
    ) -> None:
        """Ask what to copy or save, and do it."""
        from playhead_tui.actions.copy import choose_copy

        self.dashboard.run_dialog(choose_copy(self.dashboard, row, more or {}, step))

    def answer(self, invocation_id: str) -> None:
        """Answer the awakeable or the promise that an invocation waits for."""
        from playhead_tui.actions.answer import answer

        self.dashboard.run_dialog(answer(self.dashboard, invocation_id))


def _action_of(screen: type[object], key: str) -> str | None:
    """Return the action of a key on a kind of screen; None if it has none."""
    for kind in screen.__mro__:
        for binding in vars(kind).get("BINDINGS", ()):
            if isinstance(binding, Binding) and key in binding.key.split(","):
                return binding.action
    return None
