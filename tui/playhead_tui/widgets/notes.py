"""What is missing from the picture, and what to do about it; nothing when nothing is."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from playhead_tui.drawing.cells import clip, fit
from playhead_tui.drawing.glyphs import Glyphs

__all__ = ["Notes"]


class Notes(Static):
    """One line a note, at most three; more are counted."""

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
        """What is shown."""
        return self._notes

    def tell(self, notes: Sequence[str]) -> None:
        """Show these notes in place of the last ones."""
        told = tuple(dict.fromkeys(clip(note) for note in notes))
        if told == self._notes:
            return
        self._notes = told
        self.set_class(bool(told), "some")
        lines = list(told)
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
