"""What is switched on and changes the view: filter, errors only, held, following."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from playhead_tui.drawing.cells import clip

__all__ = ["Chips"]


class Chips(Static):
    """One chip for each thing switched on; takes no room when there is none."""

    DEFAULT_CSS = """
    Chips { height: 1; padding: 0 2; display: none; }
    Chips.some { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.texts: tuple[str, ...] = ()

    def tell(self, chips: Sequence[tuple[str, str]], tail: str = "") -> None:
        """Show chips.

        Args:
            chips: text and theme colour (`primary`, `error`, …) of each.
            tail: plain words after them.
        """
        self.texts = tuple(clip(text) for text, _ in chips) + ((tail,) if tail else ())
        self.set_class(bool(self.texts), "some")
        pieces: list[tuple[str, str] | str] = []
        for text, colour in chips:
            pieces += [(f" {clip(text, 60)} ", f"${colour} on ${colour} 18%"), " "]
        self.update(Content.assemble(*pieces, (tail, "$foreground 60%")))
