"""The dashboard app, which opens the connections after the first paint and pushes screens."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from playhead.kept_values import KeptValues
from playhead.model import Invocation
from playhead.saved_views import SavedView
from playhead.text import clean
from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import ModalScreen, Screen

from playhead_tui.drawing.glyphs import ASCII, UNICODE
from playhead_tui.drawing.palette import DARK, LIGHT
from playhead_tui.interfaces import (
    AppLocation,
    Connect,
    Connection,
    InvocationReader,
    ServerControl,
)
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.screens.polling import PollingScreen
from playhead_tui.terminal_driver import lasting
from playhead_tui.widgets.notes import Notes

if TYPE_CHECKING:
    from playhead_tui.screens.groups import CountedInvocations

__all__ = ["PlayheadApp"]

FIRST_FRAME_SECONDS = 0.15
"""Delay before the connections open: their imports would slow down the first frame."""
TERMINAL_SECONDS = 1.0
"""Time between two looks at whether the terminal still exists."""
OPENING = ("failures", "agents", "objects", "services", "compare", "sql")
"""Actions of the app that open a screen."""
_END_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _light_terminal() -> bool:
    """Return whether the terminal reports a light background."""
    return os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")


class ConnectionOpened(Message):
    """Posted when the connections are open or have changed."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection


class ConnectionFailed(Message):
    """Posted when the connections cannot be opened."""

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
    .ascii SearchIcon { display: none; }
    .ascii CommandPalette #--input { border: ascii $primary 40%; }
    .ascii CommandPalette #--input.--list-visible { border-bottom: none; }
    .ascii CommandList, .ascii CommandList:focus { border: none; }
    CommandPalette.-short > Vertical, CommandPalette.-tiny > Vertical { margin-top: 0; }
    CommandPalette.-tiny #--input { border: none; }
    CommandPalette.-tiny CommandList { border: none; }
    .-narrow Toast { width: 100%; max-width: 100%; margin-top: 0; padding: 0 1; }
    """
    # Textual declares `ClassVar[...] | None`, which is not a class variable to pyright.
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [  # pyright: ignore[reportIncompatibleVariableOverride]
        (0, "-narrow"),
        (60, "-wide"),
    ]
    VERTICAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [  # pyright: ignore[reportIncompatibleVariableOverride]
        (0, "-tiny"),
        (8, "-short"),
        (18, "-tall"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "show_keys", "Help"),
        Binding("q", "quit", "Quit"),
        Binding("colon,ctrl+p", "command_palette", "Command palette", show=False),
        Binding("F", "failures", "Failures", show=False),
        Binding("A", "agents", "Agents", show=False),
        Binding("O", "objects", "State of objects", show=False),
        Binding("D", "services", "Services and deployments", show=False),
        Binding("C", "compare", "Compare two invocations", show=False),
        Binding("Q", "sql", "SQL console", show=False),
    ]

    def __init__(
        self,
        connect: Connect,
        *,
        read_only: bool = False,
        ascii_only: bool = False,
        invocation: str | None = None,
        index: int | None = None,
        filter_: str = "",
        view: SavedView | None = None,
        keep_in: Path | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Create the dashboard; the connections open after its first paint.

        Args:
            connect: opens the connections.
            read_only: forbid changes on the server.
            ascii_only: draw with ASCII characters only.
            invocation: id of the invocation to open first.
            index: journal index of a step of it to open it at.
            filter_: filter of the list; empty for the one that it was left with.
            view: view of the list, with a filter of its own; None for the one that it was left
                with.
            keep_in: file of the values to keep between runs; None to keep none.
            now: the clock.
        """
        super().__init__()
        self.now = now
        self.read_only = read_only
        self.glyphs = ASCII if ascii_only else UNICODE
        self.set_class(ascii_only, "ascii")
        self.connection: Connection | None = None
        self.app_location = AppLocation("")
        self.ended_by: int | None = None
        """Number of the signal that ended the app."""
        self.kept = KeptValues(keep_in)
        self._connect = connect
        self._listing: InvocationsScreen | None = None
        self._first = invocation
        self._first_index = index
        self._asked = view or (SavedView(filter_) if filter_ else None)
        self._grouped = False
        """Whether the groups of the view were opened."""
        self._compared: Invocation | None = None
        """Invocation that was chosen for a comparison."""
        self._announced: set[str] = set()
        """Toasts that are not on screen yet."""
        self._warned = False
        """Whether the user quit while changes were being sent."""
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        chosen = self.kept.get("theme")
        usual = LIGHT.name if _light_terminal() else DARK.name
        self._usual_theme = usual
        self.theme = chosen if chosen in self.available_themes else usual

    def get_driver_class(self) -> type[Driver]:
        """Return the driver of this platform."""
        return lasting(super().get_driver_class())

    def get_default_screen(self) -> Screen[None]:
        """Return the list of invocations."""
        screen = InvocationsScreen(self)
        screen.restore(self._asked)
        self._listing = screen
        return screen

    def on_mount(self) -> None:
        """Open the connections once the first frame is on screen."""
        for number in _END_SIGNALS:
            # An ignored signal (SIGHUP under nohup) stays ignored; only the main thread has any.
            if signal.getsignal(number) != signal.SIG_IGN:
                with contextlib.suppress(RuntimeError, ValueError):
                    loop = asyncio.get_running_loop()
                    loop.add_signal_handler(number, self.end_by_signal, number)
        if sys.__stderr__ is not None and sys.__stderr__.isatty():
            self.set_interval(TERMINAL_SECONDS, self._end_without_terminal)
        if self.kept.problem:
            self.notify(self.kept.problem, severity="warning", timeout=15)
        self.call_after_refresh(self.set_timer, FIRST_FRAME_SECONDS, self._open_connections)

    @work(group="connections")
    async def _open_connections(self) -> None:
        try:
            await self._connect(lambda connection: self.post_message(ConnectionOpened(connection)))
        except Exception as error:
            self.post_message(ConnectionFailed(str(error) or type(error).__name__))

    def on_connection_opened(self, message: ConnectionOpened) -> None:
        """Start polling on every screen, or refresh it from the new sources at once."""
        if self.connection is None and not self.is_headless:
            gc.freeze()  # what is here stays; the search for cyclic garbage leaves it out
        self.connection = message.connection
        if not self.app_location.app:
            self.app_location = message.connection.app_location
        self.refresh_now()
        for screen in self._polling_screens():
            screen.start_polling()
        if message.connection.announcement:
            self.notify(message.connection.announcement)
        asked, listing = self._asked, self._listing
        if asked and asked.group_by and listing and not self._grouped:
            self._grouped = True
            listing.open_groups_by(asked.group_by)
        first, self._first = self._first, None
        if first:
            self.open_invocation(first, self._first_index)

    def on_connection_failed(self, message: ConnectionFailed) -> None:
        """Show why the connections cannot be opened."""
        for notes in self.screen.query(Notes):
            notes.show_notes((message.reason,))

    def end_by_signal(self, number: int) -> None:
        """Quit like a user does, which restores the terminal and ends a recorder of this app."""
        self.ended_by = number
        self.exit()

    def _end_without_terminal(self) -> None:
        """Quit when the terminal is gone, as SIGHUP would say.

        The signal reaches the process that leads the terminal. If this is `make`, it waits for its
        child, and passes nothing on.
        """
        if sys.__stderr__ is not None and not sys.__stderr__.isatty():
            self.end_by_signal(signal.SIGHUP)

    async def on_unmount(self) -> None:
        """Close the connections, and end a recorder that was started for this app."""
        if self._listing is not None:
            self._listing.keep()
        if self.connection:
            await self.connection.close()
        for number in _END_SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)
        gc.unfreeze()  # DuckDB's library reports what is left when Python ends

    @property
    def reader(self) -> InvocationReader:
        """Reader of invocations; only for use once `connection` is set."""
        assert self.connection is not None
        return self.connection.reader

    @property
    def control(self) -> ServerControl | None:
        """Control of the server; None in read-only mode or without a server."""
        return None if self.read_only or not self.connection else self.connection.control

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the connection."""
        return self.connection.notes if self.connection else ()

    def open_invocation(
        self, invocation_id: str, index: int | None = None, span_id: str | None = None
    ) -> None:
        """Push the screen of one invocation, at a step or a span if one is named."""
        from playhead_tui.screens.invocation import InvocationScreen
        from playhead_tui.screens.placed_invocation import PlacedInvocationScreen

        above = [s for s in self.screen_stack if isinstance(s, InvocationScreen)]
        crumbs = [s.detail.summary.target for s in above if s.detail]
        screen = PlacedInvocationScreen(self, invocation_id, crumbs, index, span_id)
        self.push_screen(screen)
        if self.connection:
            screen.start_polling()

    def open_replay(self, invocation_id: str, target: str) -> None:
        """Push the replay of one invocation."""
        from playhead_tui.screens.replay.screen import ReplayScreen

        self.push_screen(ReplayScreen(self, invocation_id, target))

    def show_invocations(self, filter_: str, back: Callable[[], object]) -> None:
        """Close all screens but the list of invocations, and filter that."""
        if listing := self._list_alone():
            listing.show_matching(filter_, back)

    def show_view(self, view: SavedView) -> None:
        """Close all screens but the list of invocations, and show a view there."""
        if listing := self._list_alone():
            listing.show_view(view)

    def _list_alone(self) -> InvocationsScreen | None:
        listing = self.screen_stack[0]
        while self.screen is not listing:
            self.pop_screen()
        return listing if isinstance(listing, InvocationsScreen) else None

    def action_failures(self) -> None:
        """Show groups of equal failures, of the invocations that the screen's filter selects."""
        from playhead_tui.screens.failures import FailuresScreen

        self._open_counts(FailuresScreen)

    def action_agents(self) -> None:
        """Show the calls of agents, of the invocations that the screen's filter selects."""
        from playhead_tui.screens.agents import AgentsScreen

        self._open_counts(AgentsScreen)

    def _open_counts(self, kind: type[CountedInvocations[Any]]) -> None:
        screen = self.screen
        filter_ = screen.counted_filter if isinstance(screen, PollingScreen) else ""
        self._open_once(kind, lambda: kind(self, filter_))

    def action_objects(self) -> None:
        """Show the virtual objects and workflows."""
        from playhead_tui.screens.objects import ObjectsScreen

        self._open_once(ObjectsScreen)

    def action_services(self) -> None:
        """Show the registered services and deployments."""
        from playhead_tui.screens.services import ServicesScreen

        self._open_once(ServicesScreen)

    def action_compare(self) -> None:
        """Choose an invocation to compare with, or compare it with the chosen one."""
        from playhead_tui.actions.compare import choose_pair

        pair, self._compared = choose_pair(self, self.screen, self._compared)
        if pair:
            from playhead_tui.screens.compare import CompareScreen

            self.push_screen(CompareScreen(self, *pair))

    def action_sql(self) -> None:
        """Show the SQL console."""
        from playhead_tui.screens.sql import SqlScreen

        self._open_once(SqlScreen)

    def _open_once(
        self, kind: type[Screen[None]], make: Callable[[], Screen[None]] | None = None
    ) -> None:
        """Push a screen, unless it is on top already or a dialog is open.

        Args:
            kind: kind of the screen.
            make: makes the screen; None if it needs the app only.
        """
        if isinstance(self.screen, ModalScreen):
            return
        if type(self.screen) is kind:
            self.notify("This screen is open already.")
            return
        self.push_screen(make() if make else cast("Any", kind)(self))

    def run_dialog(self, dialog: Coroutine[Any, Any, None]) -> None:
        """Run a dialog and the change that follows from it, in place of a previous dialog.

        The worker belongs to the app: leaving a screen does not cancel a change in progress.
        """
        self.run_worker(dialog, group="dialogs", exclusive=True)

    def run_change(self, change: Coroutine[Any, Any, None]) -> None:
        """Run a change to its end, whichever screens and dialogs open or close meanwhile."""
        self.run_worker(change, group="changes")

    async def action_quit(self) -> None:
        """Quit; while a change of many invocations runs, only when asked twice."""
        running = any(w.group == "changes" and not w.is_finished for w in self.workers)
        if running and not self._warned:
            self._warned = True
            self.notify(
                "Changes are being sent. Press q again to quit without sending the rest.",
                severity="warning",
            )
            return
        self.exit()

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a toast, unless it is on screen, always as plain text: it may come from an agent."""
        text = clean(message)
        if text not in self._announced and all(text != one.message for one in self._notifications):
            self._announced.add(text)
            self.call_later(lambda: self._announced.discard(text))  # once it is on screen
            super().notify(text, title=title, severity=severity, timeout=timeout, markup=False)

    def action_help_quit(self) -> None:
        """Name the key that quits, for those who press Ctrl+C."""
        self.notify("Press q to quit.")

    def copy_text(self, text: str) -> None:
        """Copy a text to the clipboard (OSC 52), and show its size and how it begins.

        For terminals that ignore copies, the text is left in a file. What is too large for any
        terminal is only left there.
        """
        from playhead_tui.sources.clipboard import copied

        try:
            self.notify(copied(text, self.copy_to_clipboard))
        except OSError as error:
            self.notify(f"Cannot be copied: {error.strerror}", severity="error")

    def refresh_now(self) -> None:
        """Refresh every screen at once, after a change."""
        for screen in self._polling_screens():
            screen.refresh_now()

    def _polling_screens(self) -> Iterable[PollingScreen]:
        return [screen for screen in self.screen_stack if isinstance(screen, PollingScreen)]

    def action_show_keys(self) -> None:
        """Show the keys of this screen, a legend, and the keys of the other screens."""
        from playhead_tui.key_table import key_rows
        from playhead_tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            keys = key_rows(self.BINDINGS, self.screen, read_only=self.read_only)
            self.push_screen(HelpScreen(keys, self.glyphs))

    def watch_theme(self, theme: str) -> None:
        """Keep a theme that was chosen: few terminals tell whether they are light."""
        if theme != self._usual_theme or self.kept.get("theme"):
            self.kept.put("theme", theme)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Return the palette's commands: the screen's keys, the theme, help, quit."""
        yield SystemCommand("Theme", "Choose a theme", self.action_change_theme)
        yield SystemCommand("Help", "Show the keys of every screen", self.action_show_keys)
        yield SystemCommand("Quit", "Quit Playhead", self.action_quit)
        offered: set[str] = set()
        for binding in screen.active_bindings.values():
            label = binding.binding.description
            opens = binding.node is self and binding.binding.action in OPENING
            if (
                (binding.node is screen or opens)
                and label not in ("", *offered)
                and binding.enabled
            ):
                offered.add(label)  # a command that has several keys is one
                action = partial(self.run_action, binding.binding.action, binding.node)
                yield SystemCommand(label, f"Key {self.get_key_display(binding.binding)}", action)
