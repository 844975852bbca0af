"""Chips for everything that changes the view: filter, errors only, held, following."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from playhead_tui.drawing.cells import clip

__all__ = ["Chips"]


class Chips(Static):
    """One line of chips; hidden when it is empty."""

    DEFAULT_CSS = """
    Chips { height: 1; padding: 0 2; display: none; }
    Chips.some { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.texts: tuple[str, ...] = ()
        self._shown: tuple[tuple[tuple[str, str], ...], str] = ((), "")

    def show_chips(self, chips: Sequence[tuple[str, str]], tail: str = "") -> None:
        """Replace the chips.

        Args:
            chips: text and theme color (`primary`, `error`, …) of each.
            tail: plain text after them.
        """
        shown = (tuple(chips), tail)
        if shown == self._shown:
            return  # an update lays out the whole screen
        self._shown = shown
        self.texts = tuple(clip(text) for text, _ in chips) + ((tail,) if tail else ())
        self.set_class(bool(self.texts), "some")
        pieces: list[tuple[str, str] | str] = []
        for text, color in chips:
            pieces += [(f" {clip(text, 60)} ", f"${color} on ${color} 18%"), " "]
        self.update(Content.assemble(*pieces, (tail, "$foreground 60%")))
