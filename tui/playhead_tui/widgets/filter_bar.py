"""The input line for a filter, with completion and a line of help."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from playhead_tui.drawing.cells import clip

if TYPE_CHECKING:
    from playhead.filters.completion import Completion

__all__ = ["FilterBar", "FilterHelp"]


def _no_problem(text: str) -> str | None:
    return None


def _no_completion(text: str) -> Completion | None:
    return None


class FilterHelp(Static):
    """Above the filter line: what can be typed, in one line, or what is wrong; hidden if empty."""

    DEFAULT_CSS = """
    FilterHelp {
        height: 1; padding: 0 2; background: $panel; display: none;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    FilterHelp.some { display: block; }
    FilterHelp.wrong { height: auto; max-height: 40%; text-wrap: wrap; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.text = ""

    def show_help(self, text: str, *, wrong: bool = False) -> None:
        """Replace the text."""
        self.text = clip(text)
        self.set_class(bool(text), "some")
        self.set_class(wrong, "wrong")
        color = "$text-error" if wrong else "$foreground 70%"
        self.update(Content.assemble((self.text, color)))


class _Completions(Suggester):
    """Shows the first candidate behind the cursor; the right arrow key takes it."""

    def __init__(self, complete: Callable[[str], Completion | None]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        """Return the text with the first candidate that continues it."""
        found = self._complete(value)
        texts = found.texts if found else ()
        return next((text for text in texts if text.startswith(value)), None)


class FilterBar(Input):
    """An input that filters while typing; Enter keeps the filter, Esc restores the last one."""

    DEFAULT_CSS = """
    FilterBar, FilterBar:focus {
        height: 1; border: none; padding: 0 2; background: $panel;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("tab", "complete", "Complete", show=False),
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

    def __init__(
        self,
        text: str,
        placeholder: str,
        *,
        problem: Callable[[str], str | None] = _no_problem,
        complete: Callable[[str], Completion | None] = _no_completion,
    ) -> None:
        """Create the line.

        Args:
            text: the current filter.
            placeholder: what can be typed, shown while the line is empty.
            problem: returns what is wrong with a text; such a text is not kept.
            complete: returns how a text can continue.
        """
        super().__init__(
            value=text,
            placeholder=placeholder,
            select_on_focus=False,
            suggester=_Completions(complete),
        )
        self.help = FilterHelp()
        """The line of help; mount it above the input."""
        self._problem = problem
        self._complete = complete
        self._before = text
        self._typing_ended = False

    def on_mount(self) -> None:
        """Show help for the current text."""
        self._show_help(self.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter by the text so far."""
        event.stop()
        if not self._typing_ended:
            self._show_help(event.value)
            self.post_message(self.Typed(event.value))

    def _show_help(self, text: str) -> None:
        found = self._complete(text)
        if found:
            self.help.show_help(found.help, wrong=found.wrong)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter, unless it is wrong."""
        event.stop()
        if problem := self._problem(event.value):
            self.help.show_help(problem, wrong=True)
        else:
            self._close(event.value)

    def action_complete(self) -> None:
        """Take the first candidate."""
        found = self._complete(self.value)
        if found and found.texts:
            self.value = found.texts[0]
            self.cursor_position = len(self.value)

    def action_cancel(self) -> None:
        """Restore the previous filter."""
        self._close(self._before)

    def _close(self, text: str) -> None:
        self._typing_ended = True
        self.post_message(self.Closed(text))
