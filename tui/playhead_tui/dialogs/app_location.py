"""The dialog for the app that a replay runs, and the folder to import it from."""

from __future__ import annotations

import re
from pathlib import Path

from textual.app import ComposeResult
from textual.widgets import Input, Static

from playhead_tui.dialogs.dialog import Dialog
from playhead_tui.drawing.document import Line
from playhead_tui.interfaces import AppLocation

__all__ = ["AppLocationDialog"]

BODY = (
    Line("Runs the current code against the recorded journal, in a separate"),
    Line("process: no network, no files written, no step executed."),
)
_APP = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(\))?")


def location_error(app: str, folder: str) -> str | None:
    """Return why the location is invalid; None when it is valid."""
    if not _APP.fullmatch(app):
        return "Enter module:attribute, such as agent:app, or module:create_app() for a factory."
    if folder and not Path(folder).expanduser().is_dir():
        return f"{folder} is not a folder."
    return None


class AppLocationDialog(Dialog):
    """Two inputs; returns the app once both are valid, and stores both in `app_location`."""

    DEFAULT_CSS = """
    AppLocationDialog .label { color: $foreground 70%; }
    """

    def __init__(self, location: AppLocation) -> None:
        super().__init__("Replay with which app?", BODY)
        self.app_location = location
        """App to run; valid once the dialog has returned one."""

    def compose_content(self) -> ComposeResult:
        """Lay out both inputs and their error message."""
        yield Static("App, as module:attribute (PLAYHEAD_APP)", classes="label")
        yield Input(self.app_location.app, placeholder="agent:app", id="app", select_on_focus=False)
        yield Static("Folder to import it from (PLAYHEAD_APP_DIR)", classes="label")
        folder = self.app_location.app_dir or str(Path.cwd())
        yield Input(folder, placeholder=str(Path.cwd()), id="folder", select_on_focus=False)
        yield Static("", classes="error", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Return a valid app, or show the error."""
        event.stop()
        app = self.query_one("#app", Input).value.strip()
        folder = self.query_one("#folder", Input).value.strip()
        error = location_error(app, folder)
        if error is None:
            self.app_location = AppLocation(
                app, str(Path(folder).expanduser().resolve()) if folder else ""
            )
            self.dismiss(app)
        else:
            line = self.query_one(".error", Static)
            line.update(error)
            line.add_class("some")
