"""The editor of a recorded result, before the code runs on from it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

from playhead.replay import Failure, WhatIfQuestion
from playhead.text import clean
from playhead_tui.drawing.cells import clip
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static, TextArea

__all__ = ["ResultEditor", "editable"]


def editable(value: Any) -> str:
    """A value as JSON that is safe to show: what could act on a terminal is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return "".join(c if c == "\n" or clean(c) == c else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return f"\\u{ord(character):04x}"


class ResultEditor(ModalScreen[WhatIfQuestion | None]):
    """JSON to change, and how the run goes on: from the recording, dry, or live for named steps."""

    DEFAULT_CSS = """
    ResultEditor { align: center middle; background: $background 60%; }
    ResultEditor > Vertical {
        width: 96; max-width: 98%; height: 90%; padding: 0 1; background: $surface;
        border: round $primary 60%; border-title-color: $foreground; border-title-style: bold;
    }
    ResultEditor TextArea { height: 1fr; border: none; padding: 0; background: $background; }
    ResultEditor TextArea:focus { border: none; }
    .ascii ResultEditor > Vertical { border: ascii $primary 60%; }
    ResultEditor .what { height: auto; color: $foreground 60%; }
    ResultEditor .error { color: $text-error; height: auto; max-height: 3; display: none; }
    ResultEditor .error.some { display: block; }
    ResultEditor Input, ResultEditor Input:focus { height: 1; border: none; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close"),
        Binding("ctrl+s,f5", "run", "Run on", priority=True),
        Binding("ctrl+t", "turn", "Value or error", priority=True),
        Binding("ctrl+o", "policy", "Recorded or dry", priority=True),
    ]

    def __init__(
        self, key: int | str, title: str, value: Any, question: WhatIfQuestion | None
    ) -> None:
        """Describe the editor.

        Args:
            key: names the result, as `what_if` does.
            title: what it is the result of.
            value: the recorded result, or a `Failure`.
            question: what was asked the last time, to go on from.
        """
        super().__init__()
        self.key = key
        self.title_text = title
        self.question = question or WhatIfQuestion({})
        value = self.question.changes.get(key, value)
        self.is_failure = isinstance(value, Failure)
        self.code = value.code if isinstance(value, Failure) else 500
        self.text = value.message if isinstance(value, Failure) else editable(value)

    def compose(self) -> ComposeResult:
        """Text, live steps, what is chosen, keys."""
        with Vertical() as box:
            box.border_title = Content(f"What if: {clip(self.title_text, 60)}")
            yield Static("", classes="what", id="choices", markup=False)
            yield TextArea(self.text, id="json", tab_behavior="focus", soft_wrap=True)
            yield Static("", classes="error", markup=False)
            yield Static("Steps to run for real, with network and files (none: leave it empty):",
                         classes="what", markup=False)  # fmt: skip
            yield Input(", ".join(self.question.live), placeholder="names of steps, with commas",
                        id="live", select_on_focus=False)  # fmt: skip
            yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Say what is chosen."""
        self._tell()
        self.query_one(TextArea).focus()

    def _tell(self) -> None:
        what = f"a terminal error {self.code}" if self.is_failure else "a value, as JSON"
        after = ("steps given the same again are answered from the recording"
                 if self.question.recorded else "dry: nothing is answered")  # fmt: skip
        self.query_one("#choices", Static).update(
            f"The result becomes {what}. After it, {after}.\n"
            "Text as the result of a model call is the model's answer in words."
        )

    def action_turn(self) -> None:
        """The result is a value, or a terminal error."""
        self.is_failure = not self.is_failure
        self._tell()

    def action_policy(self) -> None:
        """Answer from the recording after the change, or not at all."""
        self.question = replace(self.question, recorded=not self.question.recorded)
        self._tell()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the line below runs on."""
        event.stop()
        self.action_run()

    def action_run(self) -> None:
        """Check the text; when it is JSON, return the question."""
        text = self.query_one(TextArea).text
        value: Any = Failure(text.strip(), self.code)
        if not self.is_failure:
            try:
                value = json.loads(text)
            except ValueError as error:
                self._refuse(error)
                return
        live = self.query_one("#live", Input).value
        names = tuple(dict.fromkeys(n.strip() for n in live.split(",") if n.strip()))
        changes = {**self.question.changes, self.key: value}
        self.dismiss(replace(self.question, changes=changes, live=names))

    def _refuse(self, error: ValueError) -> None:
        line = self.query_one(".error", Static)
        line.update(f"Not JSON: {error}. Text needs quotes.")
        line.add_class("some")
        if isinstance(error, json.JSONDecodeError):
            self.query_one(TextArea).move_cursor((error.lineno - 1, error.colno - 1))
        self.query_one(TextArea).focus()

    def action_close(self) -> None:
        """Change nothing."""
        self.dismiss(None)
