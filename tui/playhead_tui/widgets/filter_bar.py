"""The input line for a filter."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

__all__ = ["FilterBar"]


class FilterBar(Input):
    """An input that filters while typing; Enter keeps the filter, Esc restores the last one."""

    DEFAULT_CSS = """
    FilterBar, FilterBar:focus {
        height: 1; border: none; padding: 0 2; background: $panel;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
    ]

    class Typed(Message):
        """Posted when the text has changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

        def can_replace(self, message: Message) -> bool:
            """Keep only the newest text."""
            return isinstance(message, FilterBar.Typed)

    class Closed(Message):
        """Posted when typing has ended."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, text: str, placeholder: str) -> None:
        super().__init__(value=text, placeholder=placeholder, select_on_focus=False)
        self._before = text
        self._typing_ended = False

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter by the text so far."""
        event.stop()
        if not self._typing_ended:
            self.post_message(self.Typed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter."""
        event.stop()
        self._close(event.value)

    def action_cancel(self) -> None:
        """Restore the previous filter."""
        self._close(self._before)

    def _close(self, text: str) -> None:
        self._typing_ended = True
        self.post_message(self.Closed(text))
