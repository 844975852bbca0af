"""The help screen: the keys of every screen."""

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
    ("attempts", "a band behind the bars marks every other attempt; # is the attempt itself"),
    ("bars", "solid: work; thin line: waiting; checkered red: failed try; dashes: backoff"),
    ("notes", "replayed: answered from the journal; interrupted: the attempt ended first"),
    ("idle time", "cut where the scale shows a cut; t draws all time to one scale"),
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
        """Describe the screen.

        Args:
            keys: where each key works, how it is written, what it does.
        """
        super().__init__()
        self.keys = keys

    def compose(self) -> ComposeResult:
        """Lay out the pane."""
        yield TextPane("Keys")

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
