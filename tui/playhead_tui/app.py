"""The dashboard: screens over a source, opened after the first paint."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from playhead.model import Invocation, Step
from playhead.text import clean
from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import Screen

from playhead_tui.drawing.glyphs import ASCII, UNICODE
from playhead_tui.drawing.palette import DARK, LIGHT
from playhead_tui.interfaces import Actions, Code, Connect, Connection, Source
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.screens.polling import PollingScreen
from playhead_tui.widgets.list_header import ListHeader
from playhead_tui.widgets.notes import Notes

__all__ = ["PlayheadApp"]

FIRST_FRAME_SECONDS = 0.15
"""Opening the sources imports much; until the first frame is written it would slow it down."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _light_terminal() -> bool:
    """Whether the terminal says that its background is light."""
    return os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")


class Opened(Message):
    """The sources are open."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection


class NotOpened(Message):
    """The sources could not be opened at all."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class PlayheadApp(App[None]):
    """Playhead's dashboard."""

    TITLE = "Playhead"
    CSS = """
    Footer { background: $panel; }
    .ascii ScrollView { scrollbar-size-vertical: 0; }
    .ascii Dialog > Vertical, .ascii HelpScreen TextPane { border: ascii $primary 60%; }
    .ascii Dialog Input { border: ascii $primary 40%; }
    .ascii InvocationScreen #side, .ascii InvocationScreen #state { border-top: ascii $panel; }
    .ascii InvocationScreen.wide #side { border-top: none; border-left: ascii $panel; }
    .ascii Toast { border-left: ascii $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "show_keys", "Help"),
        Binding("q", "quit", "Quit"),
        Binding("colon,ctrl+p", "command_palette", "Command palette", show=False),
    ]

    def __init__(
        self,
        connect: Connect,
        *,
        read_only: bool = False,
        ascii_only: bool = False,
        invocation: str | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Describe the dashboard; nothing is opened before its first paint.

        Args:
            connect: opens the sources.
            read_only: forbid whatever changes the server.
            ascii_only: draw with ASCII characters only.
            invocation: id of the invocation to open at once.
            now: the clock.
        """
        super().__init__()
        self.now = now
        self.read_only = read_only
        self.glyphs = ASCII if ascii_only else UNICODE
        self.set_class(ascii_only, "ascii")
        self.connection: Connection | None = None
        self.code = Code("")
        """The app that was replayed last, else the one that the settings name."""
        self._connect = connect
        self._first = invocation
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = LIGHT.name if _light_terminal() else DARK.name

    def get_default_screen(self) -> Screen[None]:
        """The list."""
        return InvocationsScreen(glyphs=self.glyphs)

    def on_mount(self) -> None:
        """Open the sources once the first frame is on screen."""
        self.call_after_refresh(self.set_timer, FIRST_FRAME_SECONDS, self._open_sources)

    @work(group="sources")
    async def _open_sources(self) -> None:
        try:
            await self._connect(lambda connection: self.post_message(Opened(connection)))
        except Exception as error:
            self.post_message(NotOpened(str(error) or type(error).__name__))

    def on_opened(self, message: Opened) -> None:
        """Begin to read on every screen there is."""
        self.connection = message.connection
        if not self.code.app:
            self.code = message.connection.code
        self.read_now()
        for screen in self.screen_stack:
            for line in screen.query(ListHeader):
                line.tell(labels=message.connection.labels)
            for notes in screen.query(Notes):
                notes.tell(message.connection.notes)
            if isinstance(screen, PollingScreen):
                screen.begin()
        if message.connection.news:
            self.notify(message.connection.news)
        first, self._first = self._first, None
        if first:
            self.open_invocation(first)

    def on_not_opened(self, message: NotOpened) -> None:
        """Say why there is nothing to see."""
        for notes in self.screen.query(Notes):
            notes.tell((message.reason,))

    async def on_unmount(self) -> None:
        """Close what was opened; a recorder that was started for this app ends."""
        if self.connection:
            await self.connection.close()

    @property
    def source(self) -> Source:
        """What the screens read."""
        assert self.connection is not None
        return self.connection.source

    @property
    def actions(self) -> Actions | None:
        """What changes the server; None when that is forbidden or there is no server."""
        return None if self.read_only or not self.connection else self.connection.actions

    @property
    def notes(self) -> tuple[str, ...]:
        """What was said when the sources were opened."""
        return self.connection.notes if self.connection else ()

    def open_invocation(self, invocation_id: str) -> None:
        """Push the screen of one invocation."""
        from playhead_tui.screens.invocation import InvocationScreen

        screen = InvocationScreen(invocation_id, glyphs=self.glyphs)
        self.push_screen(screen)
        if self.connection:
            screen.begin()

    def open_replay(self, invocation_id: str, target: str) -> None:
        """Push the replay of one invocation."""
        from playhead_tui.screens.replay import ReplayScreen

        self.push_screen(ReplayScreen(invocation_id, target, glyphs=self.glyphs))

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """A message for a moment. Plain text always: part of it may come from strangers."""
        super().notify(
            clean(message), title=title, severity=severity, timeout=timeout, markup=False
        )

    def read_now(self) -> None:
        """Let every screen read at once, after something was changed."""
        for screen in self.screen_stack:
            if isinstance(screen, PollingScreen) and screen.poller:
                screen.poller.wake()

    def action_show_keys(self) -> None:
        """Show the keys."""
        from playhead_tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: what the keys of the screen do, and the theme."""
        yield SystemCommand("Theme", "Choose the colours", self.action_change_theme)
        yield SystemCommand("Keys", "Show what every key does", self.action_show_keys)
        yield SystemCommand("Quit", "Leave Playhead", self.action_quit)
        for binding in screen.active_bindings.values():
            what = binding.binding.description
            if binding.node is screen and what and binding.enabled:
                action = partial(screen.run_action, binding.binding.action)
                yield SystemCommand(what, f"Key {self.get_key_display(binding.binding)}", action)

    @work(group="dialogs", exclusive=True)
    async def choose_action(self, row: Invocation, step: Step | None = None) -> None:
        """Ask what to do with an invocation, of which a step is selected, and do it."""
        from playhead_tui.actions.invocation import choose_action

        await choose_action(self, row, step)

    @work(group="dialogs", exclusive=True)
    async def choose_copy(
        self, row: Invocation, more: dict[str, tuple[str, Callable[[], str]]] | None = None
    ) -> None:
        """Ask what to copy, and copy it."""
        from playhead_tui.actions.copy import choose_copy

        await choose_copy(self, row, more or {})

    @work(group="dialogs", exclusive=True)
    async def answer(self, invocation_id: str) -> None:
        """Answer what an invocation waits for."""
        from playhead_tui.actions.invocation import answer

        detail = await self.source.invocation(invocation_id)
        if detail:
            await answer(self, detail)
