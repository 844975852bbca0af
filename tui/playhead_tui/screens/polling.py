"""What the list and the invocation screen have in common: polling, filter line, layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import work
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from playhead_tui.sources.poller import Poller

if TYPE_CHECKING:
    from playhead_tui.app import PlayheadApp
    from playhead_tui.widgets.filter_bar import FilterBar

__all__ = ["PollingScreen"]


class Failed(Message):
    """A read raised; the text is for people."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def can_replace(self, message: Message) -> bool:
        """Only the newest failure matters."""
        return isinstance(message, Failed)


class PollingScreen(Screen[None]):
    """A screen that polls the source. Workers post messages; handlers touch widgets."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", show=False),
        Binding("space", "hold", "Hold the view", show=False),
        Binding("f", "follow", "Follow the newest", show=False),
        Binding("n", "match(1)", "Next match", show=False),
        Binding("N", "match(-1)", "Previous match", show=False),
        Binding("y", "copy", "Copy id, JSON or curl", show=False),
        Binding("a", "answer", "Answer what waits", show=False),
    ]
    FILTER_HINT = ""
    SECONDS = 1.0
    SHARE = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.poller: Poller[Any] | None = None

    @property
    def playhead(self) -> PlayheadApp:
        """The app, with its type."""
        return cast("PlayheadApp", self.app)  # pyright: ignore[reportUnknownMemberType]

    def begin(self) -> None:
        """Start to poll; called when the sources are open."""
        if self.poller is None:
            self.poller = Poller(
                self.read, self.deliver, self._fail, seconds=self.SECONDS, share=self.SHARE
            )
            self._poll(self.poller)

    @work(group="poll")
    async def _poll(self, poller: Poller[Any]) -> None:
        await poller.run()

    async def read(self) -> Any:
        """One read of the source. Runs in a worker: touches no widget."""
        raise NotImplementedError

    def deliver(self, result: Any) -> None:
        """Post a message with what was read. Runs in a worker."""
        raise NotImplementedError

    def _fail(self, error: Exception) -> None:
        self.post_message(Failed(f"Reading failed: {error or type(error).__name__}"))

    # The filter line.

    def open_filter(self, text: str) -> None:
        """Show the filter line, once."""
        from playhead_tui.widgets.filter_bar import FilterBar

        if not self.query(FilterBar):
            bar = FilterBar(text, self.FILTER_HINT)
            self.mount(bar, before=self.query_one("#notes"))
            bar.focus()

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Filter while typing."""
        self.set_filter(message.text)

    def on_filter_bar_closed(self, message: FilterBar.Closed) -> None:
        """Take the line away; the chip shows the filter from now on."""
        from playhead_tui.widgets.filter_bar import FilterBar

        self.query(FilterBar).remove()
        self.set_filter(message.text)
        self.focus_rows()

    def set_filter(self, text: str) -> None:
        """Filter by these words."""
        raise NotImplementedError

    def focus_rows(self) -> None:
        """Give the keys back to the rows."""
        raise NotImplementedError
