"""The title of a screen with its figures, which are left out rather than cut."""

from __future__ import annotations

from rich.cells import cell_len
from textual import events
from textual.widgets import Static

__all__ = ["TitleLine", "whole_parts"]


def whole_parts(text: str, width: int) -> str:
    """Return the parts of a text, between commas, that fit; the first one in any case."""
    while cell_len(text) > width and ", " in text:
        text = text.rpartition(", ")[0]
    return text


class TitleLine(Static):
    """One line; parts at its end that do not fit are left out, since half a number is wrong."""

    def __init__(self, text: str) -> None:
        super().__init__(text, id="title", markup=False)
        self.text = text

    def show_text(self, text: str) -> None:
        """Show another title."""
        self.text = text
        self.update(whole_parts(text, self.content_size.width or self.screen.size.width))

    def on_resize(self, event: events.Resize) -> None:
        """Choose the parts again."""
        self.show_text(self.text)
