"""The help screen: the keys of every screen, and a legend of the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from playhead_tui.drawing.document import Line
from playhead_tui.widgets.text_pane import TextPane

__all__ = ["HelpScreen"]

LEGEND = (
    ("Attempts", "A band behind the bars marks every other attempt; # is the attempt itself"),
    ("Bars", "Solid: work; thin line: waiting; checkered red: failed try; dashes: backoff"),
    ("Notes", "Replayed: answered from the journal; interrupted: the attempt ended first"),
    ("Idle time", "Long idle time is cut, which the scale marks; t draws all time to scale"),
)


class HelpScreen(ModalScreen[None]):
    """Keys and a legend of the timeline."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen TextPane {
        width: 84; max-width: 96%; height: 90%; padding: 1; background: $surface;
        border: round $primary 60%;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark", "close", "Close"),
    ]

    def __init__(self, keys: Sequence[tuple[str, str, str]]) -> None:
        """Create the screen.

        Args:
            keys: place, name and description of each key.
        """
        super().__init__()
        self.keys = keys

    def compose(self) -> ComposeResult:
        """Lay out the pane."""
        yield TextPane("Help")

    def on_mount(self) -> None:
        """Fill the pane."""
        lines: list[Line] = []
        last = ""
        for place, key, description in self.keys:
            if place != last:
                lines += [Line("")] * bool(last) + [Line(place, "accent")]
                last = place
            lines.append(Line(description, syntax="pair", name=key))
        lines += [Line(""), Line("Reading the timeline", "accent")]
        lines += [Line(text, syntax="pair", name=name) for name, text in LEGEND]
        pane = self.query_one(TextPane)
        pane.show_lines(lines, stay=False)
        pane.focus()

    def action_close(self) -> None:
        """Close the screen."""
        self.dismiss()
