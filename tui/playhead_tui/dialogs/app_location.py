"""Which app a replay runs, and where it is imported from."""

from __future__ import annotations

import re
from pathlib import Path

from playhead_tui.dialogs.dialog import Dialog
from playhead_tui.drawing.document import Line
from playhead_tui.interfaces import Code
from textual.app import ComposeResult
from textual.widgets import Input, Static

__all__ = ["AppLocationDialog", "code_fault"]

BODY = (
    Line("Runs today's code against the recorded journal, in a process of"),
    Line("its own: no network, no files written, no step executed."),
)
_APP = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(\))?")


def code_fault(app: str, folder: str) -> str | None:
    """Why this cannot be an app in that folder; None when it can."""
    if not _APP.fullmatch(app):
        return "Write module:attribute, such as agent:app, or module:create_app() for a factory."
    if folder and not Path(folder).expanduser().is_dir():
        return f"{folder} is no folder."
    return None


class AppLocationDialog(Dialog):
    """Two lines to type; returns the app, and keeps the folder."""

    DEFAULT_CSS = """
    AppLocationDialog .label { color: $foreground 60%; }
    """

    def __init__(self, code: Code) -> None:
        super().__init__("Replay with which code?", BODY)
        self.code = code
        """What was typed last; to be used once the dialog returns something."""

    def inside(self) -> ComposeResult:
        """The two lines, and what is wrong with them."""
        yield Static("app, as module:attribute (PLAYHEAD_APP sets it)", classes="label")
        yield Input(self.code.app, placeholder="agent:app", id="app", select_on_focus=False)
        yield Static("folder to import it from (PLAYHEAD_APP_DIR)", classes="label")
        folder = self.code.folder or str(Path.cwd())
        yield Input(folder, placeholder=str(Path.cwd()), id="folder", select_on_focus=False)
        yield Static("", classes="error", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Accept both lines or say what is wrong."""
        event.stop()
        app = self.query_one("#app", Input).value.strip()
        folder = self.query_one("#folder", Input).value.strip()
        wrong = code_fault(app, folder)
        if wrong is None:
            self.code = Code(app, str(Path(folder).expanduser().resolve()) if folder else "")
            self.dismiss(app)
        else:
            line = self.query_one(".error", Static)
            line.update(wrong)
            line.add_class("some")
