"""A menu that finds something out while it is open; it never waits for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from playhead_tui.dialogs.dialog import Choice, Menu, content
from playhead_tui.drawing.document import Line
from textual import work
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Static

__all__ = ["CheckedMenu"]


class Checked(Message, bubble=False):
    """The check is done."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__()
        self.lines = lines


class CheckedMenu(Menu):
    """Choices, and above them what a check says; closing the menu ends the check."""

    DEFAULT_CSS = """
    CheckedMenu #check { height: auto; max-height: 8; margin-bottom: 1; }
    """

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        body: Sequence[Line],
        *,
        check: Callable[[], Awaitable[list[Line]]],
        checking: str,
    ) -> None:
        """Describe the menu.

        Args:
            title: of the box.
            choices: what can be chosen, at once.
            body: what to know before.
            check: finds out what to show as well; must not raise.
            checking: shown meanwhile.
        """
        super().__init__(title, choices, body)
        self.check = check
        self.checking = checking

    def inside(self) -> ComposeResult:
        """What the check says, then the choices."""
        yield Static(content([Line(self.checking, "dim")]), id="check", markup=False)
        yield from super().inside()

    def on_mount(self) -> None:
        """Begin to check."""
        self._run()

    @work(group="check")
    async def _run(self) -> None:
        self.post_message(Checked(await self.check()))

    def on_checked(self, message: Checked) -> None:
        """Show it."""
        self.query_one("#check", Static).update(content(message.lines))
