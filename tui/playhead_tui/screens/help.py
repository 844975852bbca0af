"""The help screen: the keys of every screen, and a legend of glyphs and colors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from playhead.model import Status, StepKind
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from playhead_tui.drawing.document import Line, StyleName
from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.drawing.palette import KIND_STYLES, STATUS_STYLES
from playhead_tui.widgets.text_pane import TextPane

__all__ = ["HelpScreen"]

STATUSES: Mapping[Status, str] = {
    "pending": "Queued for its key", "scheduled": "Starts later", "ready": "Starts at once",
    "running": "An attempt runs", "backing-off": "Waits for the next attempt after a failure",
    "suspended": "Waits for a result; no process is needed",
    "paused": "Failed too often; waits for you",
    "succeeded": "Ended with a result", "failed": "Ended with an error", "killed": "Killed",
    "cancelled": "Cancelled", "gone": "No longer on the server",
}  # fmt: skip
KINDS: Mapping[StepKind, str] = {
    "llm": "Model call", "tool": "Tool call", "run": "Durable step", "state": "State of the object",
    "call": "Call of another handler", "send": "Request without waiting", "sleep": "Sleep",
    "awakeable": "Answer or promise to wait for", "signal": "Signal",
    "input": "Input", "output": "Output", "cancel": "Cancellation", "other": "Other command",
}  # fmt: skip
READING = (
    ("Attempts", "A band behind the bars marks every other attempt; # is the attempt itself"),
    ("Bars", "Solid: work; thin line: waiting; checkered red: failed try; dashes: backoff"),
    ("Calls", "l shows the steps of a called invocation in place, h hides them"),
    ("Duration", "With + it has not ended: so far"),
    ("Idle time", "Long idle time is cut, which the scale marks; t draws all time to scale"),
)


class HelpScreen(ModalScreen[None]):
    """Keys of the screen below, a legend, and the keys of the other screens."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen TextPane {
        width: 84; max-width: 96%; height: 90%; padding: 1; background: $surface;
        border: round $primary 60%;
    }
    HelpScreen.-short TextPane, HelpScreen.-tiny TextPane { padding: 0; height: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark", "close", "Close"),
    ]

    def __init__(self, keys: Sequence[tuple[str, str, str]], glyphs: Glyphs) -> None:
        """Create the screen.

        Args:
            keys: place, name and description of each key.
            glyphs: the glyphs that the legend explains.
        """
        super().__init__()
        self.keys = keys
        self.glyphs = glyphs

    def compose(self) -> ComposeResult:
        """Lay out the pane."""
        yield TextPane("Help")

    def on_mount(self) -> None:
        """Fill the pane."""
        places = list(dict.fromkeys(place for place, _, _ in self.keys))
        lines = [*self._key_lines(places[:1]), *self._legend(), *self._key_lines(places[1:])]
        pane = self.query_one(TextPane)
        pane.show_lines(lines, stay=False)
        pane.focus()

    def _key_lines(self, places: Sequence[str]) -> Iterator[Line]:
        for place in places:
            yield Line(place, "accent")
            for of, key, description in self.keys:
                if of == place:
                    yield Line(description, syntax="pair", name=key)
            yield Line("")

    def _legend(self) -> Iterator[Line]:
        glyphs = self.glyphs
        yield Line("Statuses", "accent")
        for status, text in STATUSES.items():
            yield Line(
                f"{glyphs.status[status]} {status:<12} {text}", STATUS_STYLES.get(status, "dim")
            )
        only = "After a status: only stored; the server does not have it, or does not answer"
        yield Line(f"{glyphs.stored} {only}", "dim")
        yield Line("")
        yield Line("Timeline", "accent")
        for kind, text in KINDS.items():
            yield Line(f"{glyphs.kind[kind]} {text}", KIND_STYLES.get(kind, "dim"))
        marks: tuple[tuple[str, str, StyleName], ...] = (
            (glyphs.lane * 3, "Attempt", "text"),
            (glyphs.queued * 3, "Queued or scheduled, before the first attempt", "dim"),
            (glyphs.suspended * 3, "Suspended after an attempt", "wait"),
            (glyphs.backoff * 3, "Backoff before the next attempt or try", "warn"),
            (glyphs.failed * 3, "Failed try of a step", "bad"),
            (glyphs.failure, "Failed", "bad"),
            (glyphs.notes["replayed"], "Replayed: answered from the journal", "dim"),
            (glyphs.notes["interrupted"], "Interrupted: the attempt ended first", "warn"),
            (glyphs.states["lost"], "Lost with its process: the end was not recorded", "warn"),
            (glyphs.states["unfinished"], "Without a result when the invocation ended", "dim"),
            (glyphs.notes["orphan"], "Its parent is not in the store", "dim"),
        )
        for glyph, text, style in marks:
            yield Line(f"{glyph} {text}", style)
        older = f"{glyphs.about} before the counts: a row has changed since they were counted"
        for name, text in (*READING, ("First line", older)):
            yield Line(text, syntax="pair", name=name)
        yield Line("")

    def action_close(self) -> None:
        """Close the screen."""
        self.dismiss()
