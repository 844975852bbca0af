"""The editor of a recorded result, for a what-if."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

from playhead.replay import Failure, WhatIfQuestion
from playhead.replay.targets import result_of_text
from playhead.text import clean
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static, TextArea

from playhead_tui.dialogs.text_editor import TextEditor
from playhead_tui.drawing.cells import clip
from playhead_tui.widgets.key_footer import KeyFooter
from playhead_tui.widgets.wrapped_editor import WrappedEditor

__all__ = ["ResultEditor", "editable"]


def editable(value: Any) -> str:
    """Return a value as JSON that is safe to show: control characters are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return "".join(c if c == "\n" or clean(c) == c else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return f"\\u{ord(character):04x}"


class ResultEditor(TextEditor[WhatIfQuestion]):
    """JSON to edit, and the source of the results after it: the recording, none, or real code."""

    DEFAULT_CSS = """
    ResultEditor Input, ResultEditor Input:focus { height: 1; border: none; padding: 0; }
    ResultEditor.-short .hint, ResultEditor.-tiny .hint { height: 1; }
    ResultEditor.-tiny .hint { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close"),
        Binding("ctrl+s,f5", "run", "Run", priority=True),
        Binding("ctrl+t", "toggle_failure", "Value or error", priority=True),
        Binding("ctrl+o", "toggle_recorded", "Recorded or dry", priority=True),
    ]

    def __init__(
        self,
        key: int | str,
        title: str,
        value: Any,
        question: WhatIfQuestion | None,
        *,
        of_model: bool = False,
    ) -> None:
        """Create the editor.

        Args:
            key: key of the result in `what_if`.
            title: the step or signal that produced the result.
            value: the recorded result, or a `Failure`.
            question: the last question, to start from.
            of_model: whether it is the result of a model call, which can be plain text.
        """
        super().__init__()
        self.of_model = of_model
        self.key = key
        self.title_text = title
        self.question = question or WhatIfQuestion({})
        value = self.question.changes.get(key, value)
        self.is_failure = isinstance(value, Failure)
        self.code = value.code if isinstance(value, Failure) else 500
        self.text = value.message if isinstance(value, Failure) else editable(value)

    def compose(self) -> ComposeResult:
        """Lay out the choices, the text, the live steps and the keys."""
        with Vertical() as box:
            box.border_title = Content(f"What if: {clip(self.title_text, 60)}")
            yield Static("", classes="hint", id="choices", markup=False)
            yield WrappedEditor(self.text, widget_id="json")
            yield Static("", classes="error", markup=False)
            yield Static("Steps to run for real after it, with network and files (or empty):",
                         classes="hint", markup=False)  # fmt: skip
            yield Input(", ".join(self.question.live), placeholder="Step names, comma-separated",
                        id="live", select_on_focus=False)  # fmt: skip
            yield KeyFooter()

    def on_mount(self) -> None:
        """Show the choices."""
        self._show_choices()

    def _show_choices(self) -> None:
        value = "a model's answer, as text or JSON" if self.of_model else "a value, as JSON"
        what = f"a terminal error {self.code}" if self.is_failure else value
        after = ("steps with the same input are answered from the recording"
                 if self.question.recorded else "no step is answered (dry)")  # fmt: skip
        self.query_one("#choices", Static).update(f"The result becomes {what}. After it, {after}.")

    def action_toggle_failure(self) -> None:
        """Make the result a value or a terminal error."""
        self.is_failure = not self.is_failure
        self._show_choices()

    def action_toggle_recorded(self) -> None:
        """Answer later steps from the recording, or not at all."""
        self.question = replace(self.question, recorded=not self.question.recorded)
        self._show_choices()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Run on Enter in the line of live steps."""
        event.stop()
        self.action_run()

    def action_run(self) -> None:
        """Return the question if the text is valid."""
        text = self.query_one(TextArea).text
        value: Any = Failure(text.strip(), self.code)
        if not self.is_failure:
            try:
                value = result_of_text(text, of_model=self.of_model)
            except ValueError as error:
                self._show_error(error)
                return
        live = self.query_one("#live", Input).value
        names = tuple(dict.fromkeys(n.strip() for n in live.split(",") if n.strip()))
        changes = {**self.question.changes, self.key: value}
        self.dismiss(replace(self.question, changes=changes, live=names))

    def _show_error(self, error: ValueError) -> None:
        self.show_error(f"Not valid JSON: {error}. Put text in quotes.")
        if isinstance(error, json.JSONDecodeError):
            self.query_one(TextArea).move_cursor((error.lineno - 1, error.colno - 1))
        self.query_one(TextArea).focus()
