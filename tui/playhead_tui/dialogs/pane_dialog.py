"""A dialog of text that scrolls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from playhead_tui.drawing.document import Line
from playhead_tui.widgets.text_pane import TextPane

__all__ = ["PaneDialog"]


class PaneDialog(ModalScreen[None]):
    """Lines of text over the screen; Esc closes it."""

    DEFAULT_CSS = """
    PaneDialog { align: center middle; background: $background 60%; }
    PaneDialog TextPane {
        width: 96; max-width: 96%; height: 90%; padding: 1; background: $surface;
        border: round $primary 60%;
    }
    PaneDialog.-short TextPane, PaneDialog.-tiny TextPane { padding: 0; height: 100%; }
    .ascii PaneDialog TextPane { border: ascii $primary 60%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "close", "Close"),
    ]

    def __init__(self, title: str, lines: Sequence[Line]) -> None:
        super().__init__()
        self.title_text = title
        self.lines = lines

    def compose(self) -> ComposeResult:
        """Lay out the pane."""
        yield TextPane(self.title_text)

    def on_mount(self) -> None:
        """Fill the pane."""
        pane = self.query_one(TextPane)
        pane.show_lines(self.lines, stay=False)
        pane.focus()

    def action_close(self) -> None:
        """Close the dialog."""
        self.dismiss()
