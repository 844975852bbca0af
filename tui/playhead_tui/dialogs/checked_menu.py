"""A menu that runs a check while it is open; choosing never waits for the check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from textual import work
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Static

from playhead_tui.dialogs.dialog import Choice, Menu, content
from playhead_tui.drawing.document import Line

__all__ = ["CheckedMenu"]


class Checked(Message, bubble=False):
    """Posted when the check has made progress, or has finished."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__()
        self.lines = lines


class CheckedMenu(Menu):
    """Choices below the result of a check; closing the menu cancels the check."""

    DEFAULT_CSS = """
    CheckedMenu #check { height: auto; max-height: 12; margin-bottom: 1; }
    CheckedMenu.-short #check { max-height: 3; margin-bottom: 0; }
    CheckedMenu.-tiny #check { display: none; }
    """

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        body: Sequence[Line],
        *,
        check: Callable[[Callable[[list[Line]], object]], Awaitable[list[Line]]],
        checking: str,
    ) -> None:
        """Create the menu.

        Args:
            title: title of the box.
            choices: choices, available at once.
            body: lines above the check.
            check: returns the lines to show; must not raise. It takes a function that shows lines
                while it runs.
            checking: shown until the check has finished.
        """
        super().__init__(title, choices, body)
        self.check = check
        self.checking = checking

    def compose_content(self) -> ComposeResult:
        """Lay out the check's result, then the choices."""
        yield Static(content([Line(self.checking, "dim")]), id="check", markup=False)
        yield from super().compose_content()

    def on_mount(self) -> None:
        """Start the check."""
        self._run_check()

    @work(group="check")
    async def _run_check(self) -> None:
        self.post_message(
            Checked(await self.check(lambda lines: self.post_message(Checked(lines))))
        )

    def on_checked(self, message: Checked) -> None:
        """Show the progress or the result of the check."""
        self.query_one("#check", Static).update(content(message.lines))
        self.fit_body()
