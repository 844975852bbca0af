"""The editor of one value, in as many lines as it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static, TextArea

from playhead_tui.dialogs.text_editor import TextEditor
from playhead_tui.widgets.key_footer import KeyFooter
from playhead_tui.widgets.wrapped_editor import WrappedEditor

__all__ = ["ValueEditor"]


class ValueEditor(TextEditor[str]):
    """A text to edit; returns it once it is valid, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close"),
        Binding("ctrl+s,f5", "submit", "Continue", priority=True),
    ]

    def __init__(
        self, title: str, text: str, *, hint: str, check: Callable[[str], str | None]
    ) -> None:
        """Create the editor.

        Args:
            title: title of the box, safe to show.
            text: the text to edit, safe to show.
            hint: what the value is, and what follows.
            check: returns an error message for an invalid text, else None.
        """
        super().__init__()
        self.title_text = title
        self.text = text
        self.hint = hint
        self.check = check

    def compose(self) -> ComposeResult:
        """Lay out the text, the error and the keys."""
        with Vertical() as box:
            box.border_title = Content(self.title_text)
            yield Static(self.hint, classes="hint", markup=False)
            yield WrappedEditor(self.text)
            yield Static("", classes="error", markup=False)
            yield KeyFooter()

    def action_submit(self) -> None:
        """Return a valid text, or show the error."""
        text = self.query_one(TextArea).text
        error = self.check(text)
        if error is None:
            self.dismiss(text)
            return
        self.show_error(error)
