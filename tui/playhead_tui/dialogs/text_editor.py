"""What editors of a text have in common: the box, the line of an error, and how they close."""

from __future__ import annotations

from textual.screen import ModalScreen, ScreenResultType
from textual.widgets import Static, TextArea

__all__ = ["TextEditor"]


class TextEditor(ModalScreen[ScreenResultType | None]):
    """A text in a large box, with a line for an error below it."""

    DEFAULT_CSS = """
    TextEditor { align: center middle; background: $background 60%; }
    TextEditor > Vertical {
        width: 96; max-width: 98%; height: 90%; padding: 0 1; background: $surface;
        border: round $primary 60%; border-title-color: $foreground; border-title-style: bold;
    }
    TextEditor TextArea { height: 1fr; border: none; padding: 0; background: $background; }
    TextEditor TextArea:focus { border: none; }
    .ascii TextEditor > Vertical { border: ascii $primary 60%; }
    TextEditor .hint { height: auto; color: $foreground 70%; }
    TextEditor.-short > Vertical, TextEditor.-tiny > Vertical { height: 100%; max-width: 100%; }
    TextEditor.-tiny .hint { display: none; }
    TextEditor .error { color: $text-error; height: auto; max-height: 3; display: none; }
    TextEditor .error.some { display: block; }
    """

    def on_mount(self) -> None:
        """Focus the text."""
        self.query_one(TextArea).focus()

    def show_error(self, text: str) -> None:
        """Show why the text cannot be used."""
        line = self.query_one(".error", Static)
        line.update(text)
        line.add_class("some")

    def action_close(self) -> None:
        """Close without a change."""
        self.dismiss(None)
