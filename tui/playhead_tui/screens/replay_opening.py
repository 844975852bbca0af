"""The opening of a replay: which app, the recording, the process; and why it failed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from playhead.replay import Recording, Replayer, Report, Session
from textual import work
from textual.screen import Screen

from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.inspector.progress import fault_lines, progress_lines
from playhead_tui.interfaces import Code
from playhead_tui.screens.replay_messages import Fault, Judged, Loaded, Stage
from playhead_tui.widgets.text_pane import TextPane

if TYPE_CHECKING:
    from playhead_tui.app import PlayheadApp

__all__ = ["OpeningScreen"]


class OpeningScreen(Screen[None]):
    """Shows progress or a fault in the pane `progress`, unless it has the class `ready`."""

    def __init__(self, invocation_id: str, target: str, *, glyphs: Glyphs) -> None:
        super().__init__()
        self.invocation_id = invocation_id
        self.target = target
        self.glyphs = glyphs
        self.code = Code("")
        self.session: Session | None = None
        self.report: Report | None = None
        self.replayer: Replayer | None = None
        self.fault: Exception | None = None
        self.resume_at = 0
        """Position of the playhead after opening."""
        self._stages: list[tuple[str, float]] = []

    @property
    def playhead(self) -> PlayheadApp:
        """The app, with its type."""
        return cast("PlayheadApp", self.app)  # pyright: ignore[reportUnknownMemberType]

    def tell_header(self) -> None:
        """Say where the playhead is, and the verdict or what is going on."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Open at once when the app is known, else ask."""
        self.set_interval(0.25, self._tick)
        self.tell_header()
        known = self.playhead.code
        if known.app:
            self.open(known)
        else:
            self.ask()

    def on_unmount(self) -> None:
        """End the process that holds the code."""
        if self.replayer:
            self.replayer.close()

    @work(group="dialogs", exclusive=True)
    async def ask(self) -> None:
        """Ask for the app; without an answer and without a replay, go back."""
        from playhead_tui.dialogs.app_location import AppLocationDialog

        dialog = AppLocationDialog(self.code if self.code.app else self.playhead.code)
        if await self.playhead.push_screen_wait(dialog):
            self.open(dialog.code)
        elif self.session is None and self.fault is None:
            self.dismiss()

    def open(self, code: Code) -> None:
        """Run this app on the recording, from the beginning."""
        self.code = self.playhead.code = code
        if self.session:
            self.resume_at = self.session.position
        self.session = self.fault = self.report = None
        self._stages.clear()
        self.remove_class("ready")
        self.query_one("#progress").focus()
        if self.replayer:
            self.replayer.close()
        self._open(code)

    @work(group="open", exclusive=True)
    async def _open(self, code: Code) -> None:
        try:
            self.post_message(Stage("Reading the journal"))
            recording = await self._fetch()
            self.post_message(Stage(f"{len(recording.entries)} entries. Importing {code.app}"))
            self.replayer = replayer = Replayer(code.app, recording, app_dir=code.folder or None)
            await replayer.start()
            self.post_message(Stage("Running the code against the journal"))
            self.post_message(Loaded(await replayer.session()))
            self.post_message(Judged(await replayer.report()))
        except Exception as error:
            self.post_message(Fault(error, opening=True))

    async def _fetch(self) -> Recording:
        fetch = self.playhead.connection.recording if self.playhead.connection else None
        if fetch is None:
            raise RuntimeError("There is neither a server nor a recording to read it from.")
        return await fetch(self.invocation_id)

    def on_stage(self, message: Stage) -> None:
        """Show how far it has come."""
        self._stages.append((message.what, time.monotonic()))
        self._tick()

    def _tick(self) -> None:
        if self._stages and not self.fault and not self.has_class("ready"):
            lines = list(progress_lines(self._stages, time.monotonic()))
            self.query_one("#progress", TextPane).show_lines(lines, stay=True)

    def show_fault(self, error: Exception) -> None:
        """Say what went wrong, where, and what to do."""
        self.fault = error
        self.remove_class("ready")
        pane = self.query_one("#progress", TextPane)
        pane.show_lines(list(fault_lines(error, self.code.app, self.code.folder)), stay=False)
        pane.focus()
        self.tell_header()

    def action_again(self) -> None:
        """Run it again, with the code and the journal as they are now."""
        if self.code.app:
            self.open(self.code)

    def action_other(self) -> None:
        """Ask for another app."""
        self.ask()
