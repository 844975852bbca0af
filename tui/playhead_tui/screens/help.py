"""The keys of every screen."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from playhead_tui.drawing.document import Line
from playhead_tui.key_table import rows
from playhead_tui.widgets.text_pane import TextPane

__all__ = ["HelpScreen"]

LEGEND = (
    ("attempts", "every other attempt has a band behind the bars; # is the attempt itself"),
    ("bars", "solid: work; thin line: waiting; chequered red: a failed try; dashes: backoff"),
    ("notes", "replayed: answered from the journal; interrupted: the attempt ended first"),
    ("cut time", "idle time is cut where the scale says so; t draws all to one scale"),
)


class HelpScreen(ModalScreen[None]):
    """Made from the bindings, so that it cannot be wrong."""

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

    def compose(self) -> ComposeResult:
        """One pane."""
        yield TextPane("Keys")

    def on_mount(self) -> None:
        """Write the lines."""
        lines: list[Line] = []
        last = ""
        for place, key, what in rows():
            if place != last:
                lines += [Line("")] * bool(last) + [Line(place, "accent")]
                last = place
            lines.append(Line(what, syntax="pair", name=key))
        lines += [Line(""), Line("Reading the timeline", "accent")]
        lines += [Line(what, syntax="pair", name=name) for name, what in LEGEND]
        pane = self.query_one(TextPane)
        pane.show_lines(lines, stay=False)
        pane.focus()

    def action_close(self) -> None:
        """Close."""
        self.dismiss()
