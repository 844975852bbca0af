"""Opening a replay: choose the app, read the journal, start the process, report errors."""

from __future__ import annotations

import time
from abc import abstractmethod

from playhead.replay import Recording, Replayer, Report, Session
from textual import work
from textual.screen import Screen

from playhead_tui.inspector.progress import error_lines, progress_lines
from playhead_tui.interfaces import AppLocation, Dashboard
from playhead_tui.screens.replay.messages import (
    ReplayFailed,
    ReportReady,
    SessionReady,
    StageStarted,
)
from playhead_tui.widgets.text_pane import TextPane

__all__ = ["ReplayOpeningScreen"]


class ReplayOpeningScreen(Screen[None]):
    """Base that shows progress or an error in the pane `progress`, unless its class is `ready`."""

    def __init__(self, dashboard: Dashboard, invocation_id: str, target: str) -> None:
        super().__init__()
        self.dashboard = dashboard
        self.glyphs = dashboard.glyphs
        self.invocation_id = invocation_id
        self.target = target
        self.app_location = AppLocation("")
        self.session: Session | None = None
        self.report: Report | None = None
        self.replayer: Replayer | None = None
        self.error: Exception | None = None
        self.resume_at = 0
        """Position of the playhead after opening."""
        self._stages: list[tuple[str, float]] = []

    @abstractmethod
    def show_header(self) -> None:
        """Show the position of the playhead, and the verdict or the current activity."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Open at once if the app is known; otherwise ask for it."""
        self.set_interval(0.25, self._tick)
        self.show_header()
        location = self.dashboard.app_location
        if location.app:
            self.open(location)
        else:
            self.ask_for_app()

    def on_unmount(self) -> None:
        """End the process that runs the code."""
        if self.replayer:
            self.replayer.close()

    @work(group="dialogs", exclusive=True)
    async def ask_for_app(self) -> None:
        """Ask for the app; without an answer and without a replay, go back."""
        from playhead_tui.dialogs.app_location import AppLocationDialog

        dialog = AppLocationDialog(
            self.app_location if self.app_location.app else self.dashboard.app_location
        )
        if await self.dashboard.push_screen_wait(dialog):
            self.open(dialog.app_location)
        elif self.session is None and self.error is None:
            self.dismiss()

    def open(self, location: AppLocation) -> None:
        """Run this app against the journal, from the beginning."""
        self.app_location = self.dashboard.app_location = location
        if self.session:
            self.resume_at = self.session.position
        self.session = self.error = self.report = None
        self._stages.clear()
        self.remove_class("ready")
        self.query_one("#progress").focus()
        if self.replayer:
            self.replayer.close()
        self._open(location)

    @work(group="open", exclusive=True)
    async def _open(self, location: AppLocation) -> None:
        try:
            self.post_message(StageStarted("Reading the journal"))
            recording = await self._fetch()
            size = f"{len(recording.entries)} entries"
            self.post_message(StageStarted(f"{size}. Importing {location.app}"))
            app, app_dir = location.app, location.app_dir or None
            self.replayer = replayer = Replayer(app, recording, app_dir=app_dir)
            await replayer.start()
            self.post_message(StageStarted("Running the code against the journal"))
            self.post_message(SessionReady(await replayer.session()))
            self.post_message(ReportReady(await replayer.report()))
        except Exception as error:
            self.post_message(ReplayFailed(error, opening=True))

    async def _fetch(self) -> Recording:
        connection = self.dashboard.connection
        if connection is None or connection.fetch_recording is None:
            raise RuntimeError(
                "No journal to replay: neither a server nor a store is connected. "
                "Set RESTATE_ADMIN_URL or PLAYHEAD_STORE."
            )
        return await connection.fetch_recording(self.invocation_id)

    def on_stage_started(self, message: StageStarted) -> None:
        """Show the progress."""
        self._stages.append((message.stage, time.monotonic()))
        self._tick()

    def _tick(self) -> None:
        if self._stages and not self.error and not self.has_class("ready"):
            lines = list(progress_lines(self._stages, time.monotonic()))
            self.query_one("#progress", TextPane).show_lines(lines, stay=True)

    def show_error(self, error: Exception) -> None:
        """Show the error, its location, and the next steps."""
        self.error = error
        self.remove_class("ready")
        pane = self.query_one("#progress", TextPane)
        pane.show_lines(
            list(error_lines(error, self.app_location.app, self.app_location.app_dir)), stay=False
        )
        pane.focus()
        self.show_header()

    def action_run_again(self) -> None:
        """Run again, with the current code and journal."""
        if self.app_location.app:
            self.open(self.app_location)

    def action_other_app(self) -> None:
        """Ask for another app."""
        self.ask_for_app()
