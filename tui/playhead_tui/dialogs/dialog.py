"""Dialogs for one question: a menu, or a line of text."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from playhead_tui.drawing.document import Line

__all__ = ["Choice", "Dialog", "Menu", "Prompt", "answer_error", "content", "json_error"]

STYLES = {"text": "$foreground", "strong": "$foreground bold", "dim": "$foreground 70%",
         "bad": "$text-error", "warn": "$text-warning", "good": "$text-success",
         "tool": "$text-primary", "llm": "$text-accent"}  # fmt: skip
BODY_LINES = 14


def content(lines: Sequence[Line], *, most: int = BODY_LINES) -> Content:
    """Return lines of a document in the colors of the theme, cut at a limit."""
    shown = list(lines[:most])
    if len(lines) > most:
        shown[-1] = Line(f"... {len(lines) - most + 1} more lines", "dim")
    return Content("\n").join(
        Content.styled(" " * line.indent + line.text, STYLES.get(line.style, "$foreground"))
        for line in shown
    )


@dataclass(frozen=True)
class Choice:
    """One choice of a menu."""

    key: str
    """Letter that selects the choice."""
    label: str
    description: str = ""
    """Effect of the choice, in a few words."""


class Dialog(ModalScreen[str | None]):
    """A box in the middle of the screen; Esc closes it without an answer."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > Vertical {
        width: 72; max-width: 94%; height: auto; max-height: 94%;
        padding: 1 2; background: $surface; border: round $primary 60%;
        border-title-color: $foreground; border-title-style: bold;
    }
    Dialog .body { height: auto; max-height: 14; margin-bottom: 1; scrollbar-size-vertical: 1; }
    Dialog .body Static { height: auto; }
    Dialog.-short > Vertical, Dialog.-tiny > Vertical { padding: 0 1; max-height: 100%; }
    Dialog.-short.has-body > Vertical { height: 100%; }
    Dialog.-short .body { height: 1fr; max-height: 100%; margin-bottom: 0; }
    Dialog.-short.roomy > Vertical, Dialog.-short.roomy .body { height: auto; }
    Dialog.-short Input, Dialog.-tiny Input { border: none; height: 1; padding: 0; }
    Dialog.-short OptionList, Dialog.-tiny OptionList { max-height: 50vh; }
    Dialog.-tiny .body { display: none; }
    Dialog .error { color: $text-error; display: none; }
    Dialog .error.some { display: block; }
    Dialog OptionList {
        height: auto; max-height: 10; border: none; padding: 0; background: $surface;
    }
    Dialog OptionList:focus { border: none; background-tint: $foreground 0%; }
    Dialog OptionList:focus > .option-list--option-highlighted,
    Dialog OptionList > .option-list--option-highlighted {
        background: $primary 25%; color: $foreground; text-style: none;
    }
    Dialog Input { border: tall $primary 40%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close"),
        Binding("ctrl+d,pagedown", "scroll_body(1)", "Page down", show=False),
        Binding("ctrl+u,pageup", "scroll_body(-1)", "Page up", show=False),
    ]

    def __init__(self, title: str, body: Sequence[Line] = ()) -> None:
        super().__init__()
        self.title_text = title
        self.body = body
        self.set_class(bool(body), "has-body")

    def compose(self) -> ComposeResult:
        """Lay out title, body and the subclass's widgets."""
        with Vertical() as box:
            box.border_title = Content(self.title_text)
            if self.body:
                with VerticalScroll(classes="body", can_focus=False):
                    yield Static(content(self.body), markup=False)
            yield from self.compose_content()

    def compose_content(self) -> ComposeResult:
        """Lay out the widgets below the body."""
        return iter(())

    def on_resize(self) -> None:
        """Give the body the room that it needs."""
        self.fit_body()

    def fit_body(self) -> None:
        """On a short terminal, give the body all room that is left, unless it needs less."""
        self.remove_class("roomy")
        self.call_after_refresh(self._measure_body)

    def _measure_body(self) -> None:
        for body in self.query(".body"):
            self.set_class(body.children[0].size.height < body.size.height, "roomy")

    def action_scroll_body(self, pages: int) -> None:
        """Scroll the text, where it does not fit."""
        for body in self.query(".body"):
            body.scroll_relative(y=pages * max(1, body.size.height - 1), animate=False)

    def action_close(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


class Menu(Dialog):
    """Choices, selected by letter or with the cursor; returns the letter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "down", "Down", show=False),
        Binding("k", "up", "Up", show=False),
    ]

    def __init__(self, title: str, choices: Sequence[Choice], body: Sequence[Line] = ()) -> None:
        super().__init__(title, body)
        self.choices = choices

    def compose_content(self) -> ComposeResult:
        """Lay out the choices."""
        wide = max(cell_len(choice.label) for choice in self.choices) + 2
        yield OptionList(
            *(
                Option(
                    Content.assemble(
                        (f"{choice.key}  ", "$text-accent bold"),
                        (set_cell_size(choice.label, wide), "$foreground"),
                        (choice.description, "$foreground 70%"),
                    ),
                    id=choice.key,
                )
                for choice in self.choices
            ),
            markup=False,
        )

    def on_key(self, event: events.Key) -> None:
        """Select the choice of this letter."""
        for choice in self.choices:
            if event.character == choice.key:
                event.stop()
                event.prevent_default()
                self.dismiss(choice.key)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Select the choice on Enter or a click."""
        self.dismiss(event.option.id)

    def action_down(self) -> None:
        """Move to the next choice."""
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        """Move to the previous choice."""
        self.query_one(OptionList).action_cursor_up()


class Prompt(Dialog):
    """An input for one line of text; returns the text once it is valid."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f5", "submit", "Run", show=False, priority=True)
    ]

    def __init__(
        self,
        title: str,
        body: Sequence[Line] = (),
        *,
        value: str = "",
        placeholder: str = "",
        error: str = "",
        check: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """Create the prompt.

        Args:
            title: title of the box.
            body: lines above the input.
            value: initial text.
            placeholder: shown while the input is empty.
            error: why the initial text was refused.
            check: returns an error message for an invalid text, else None.
        """
        super().__init__(title, body)
        self.value = value
        self.placeholder = placeholder
        self.error = error
        self.check = check

    def compose_content(self) -> ComposeResult:
        """Lay out the input and its error message."""
        yield Input(self.value, placeholder=self.placeholder, select_on_focus=False)
        yield Static(self.error, classes="error some" if self.error else "error", markup=False)

    async def action_submit(self) -> None:
        """Submit with the key that runs a what-if in the editor, too."""
        await self.query_one(Input).action_submit()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Return a valid text, or show the error."""
        event.stop()
        error = self.check(event.value)
        if error is None:
            self.dismiss(event.value)
        else:
            line = self.query_one(".error", Static)
            line.update(error)
            line.add_class("some")


def json_error(text: str) -> str | None:
    """Return why a text is not valid JSON; None when it is."""
    try:
        json.loads(text)
    except ValueError as error:
        return f"Not valid JSON: {error}"
    return None


def answer_error(text: str) -> str | None:
    """Return why a text is no answer: it is empty, or begins like JSON but is not."""
    if not text.strip():
        return 'Type a value. "" is an empty text.'
    return json_error(text) if text.lstrip().startswith(("{", "[", '"')) else None
