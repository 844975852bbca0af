"""Notes at the bottom of a screen: missing sources and their remedies."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from playhead_tui.drawing.cells import clip, fit
from playhead_tui.drawing.glyphs import Glyphs

__all__ = ["Notes"]


class Notes(Static):
    """One line per note, at most three; the rest is counted. Hidden without notes."""

    DEFAULT_CSS = """
    Notes { height: auto; max-height: 3; padding: 0 1; background: $surface; display: none; }
    Notes.some { display: block; }
    """
    LIMIT = 3

    def __init__(self, *, glyphs: Glyphs) -> None:
        super().__init__(markup=False)
        self._glyphs = glyphs
        self._notes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The current notes."""
        return self._notes

    def show_notes(self, notes: Sequence[str]) -> None:
        """Replace the notes."""
        cleaned = tuple(dict.fromkeys(clip(note) for note in notes))
        if cleaned == self._notes:
            return
        self._notes = cleaned
        self.set_class(bool(cleaned), "some")
        lines = list(cleaned)
        if len(lines) > self.LIMIT:
            rest = len(lines) - self.LIMIT + 1
            lines = [*lines[: self.LIMIT - 1], f"and {rest} more"]
        width = max(20, self.screen.size.width - 4)
        self.update(
            Content("\n").join(
                Content.assemble(
                    (f"{self._glyphs.note} ", "$text-warning"),
                    (fit(line, width, ellipsis=self._glyphs.ellipsis), "$foreground 80%"),
                )
                for line in lines
            )
        )
