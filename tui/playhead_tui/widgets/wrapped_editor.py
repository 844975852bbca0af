"""An editor of text whose long lines are wrapped."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

__all__ = ["WrappedEditor"]


class WrappedEditor(TextArea):
    """Textual's editor, which is drawn again after it was wrapped to another width.

    Textual draws it before it wraps it, and then keeps what it has drawn: the ends of lines are
    missing in a smaller terminal. Ctrl+A selects the text, instead of going to the start of a line.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+a", "select_all", "Select all", show=False),
    ]

    def __init__(self, text: str, *, widget_id: str | None = None) -> None:
        super().__init__(text, tab_behavior="focus", soft_wrap=True, id=widget_id)

    def on_resize(self, event: events.Resize) -> None:
        """Draw the lines as they are wrapped now."""
        self.call_after_refresh(self.refresh)
