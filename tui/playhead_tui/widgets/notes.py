"""Notes at the bottom of a screen: missing sources and their remedies."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from textual.content import Content
from textual.widgets import Static

from playhead_tui.drawing.cells import clip, fit
from playhead_tui.drawing.glyphs import Glyphs

__all__ = ["Notes"]

TALL = 20
"""Height from which a note may take several lines."""


class Notes(Static):
    """At most three lines; the rest is counted. Hidden without notes."""

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
        cleaned = _without_repetitions([clip(note) for note in notes])
        if cleaned == self._notes:
            return
        self._notes = cleaned
        self.set_class(bool(cleaned), "some")
        width = max(20, self.screen.size.width - 4)
        lines = self._fitted(cleaned, width)
        self.update(
            Content("\n").join(
                Content.assemble(
                    (f"{self._glyphs.note if first else ' '} ", "$text-warning"),
                    (fit(line, width, ellipsis=self._glyphs.ellipsis), "$foreground 80%"),
                )
                for first, line in lines
            )
        )

    def _fitted(self, notes: Sequence[str], width: int) -> list[tuple[bool, str]]:
        """Return the lines, each with whether a note begins there.

        Notes are wrapped as far as there are lines for it; on a low screen each has one line.
        """
        rest = len(notes) - self.LIMIT
        if rest > 0:
            notes = [*notes[: self.LIMIT - 1], f"and {rest + 1} more"]
        room = self.LIMIT if self.screen.size.height >= TALL else len(notes)
        lines: list[tuple[bool, str]] = []
        for left, note in zip(range(len(notes), 0, -1), notes, strict=True):
            most = max(1, room - len(lines) - left + 1)
            pieces = wrap(note, width) or [""]
            if len(pieces) > most:
                pieces = [*pieces[: most - 1], " ".join(pieces[most - 1 :])]
            lines += [(not number, piece) for number, piece in enumerate(pieces)]
        return lines


def _without_repetitions(notes: Sequence[str]) -> tuple[str, ...]:
    """Leave out what another note says, too, such as the same one without its reason."""
    unique = list(dict.fromkeys(notes))
    return tuple(
        note
        for note in unique
        if not any(
            other != note and all(part in other for part in note.rstrip(".").split(". "))
            for other in unique
        )
    )
