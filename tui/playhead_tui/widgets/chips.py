"""Chips for everything that changes the view: filter, errors only, held, following."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.widgets import Static

from playhead_tui.drawing.cells import clip, fit
from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.widgets.title_line import whole_parts

__all__ = ["Chips", "fitted"]

WIDEST = 60
"""Cells of a chip at most, unless it leaves a third of the line to the others."""
LEAST = 12
"""Cells that the text of a chip keeps while it gives way to the others."""


class Chips(Static):
    """One line of chips; hidden when it is empty."""

    DEFAULT_CSS = """
    Chips { height: 1; padding: 0 2; display: none; }
    Chips.some { display: block; }
    """

    def __init__(self, *, glyphs: Glyphs = UNICODE) -> None:
        super().__init__(markup=False)
        self._glyphs = glyphs
        self.texts: tuple[str, ...] = ()
        self._shown: tuple[tuple[tuple[str, str], ...], str] = ((), "")
        self._drawn: list[tuple[str, str] | str] = []

    def show_chips(self, chips: Sequence[tuple[str, str]], tail: str = "") -> None:
        """Replace the chips.

        Args:
            chips: text and theme color (`primary`, `error`, …) of each.
            tail: plain text after them.
        """
        shown = (tuple(chips), tail)
        if shown == self._shown:
            return
        self._shown = shown
        self.texts = tuple(clip(text) for text, _ in chips) + ((tail,) if tail else ())
        self.set_class(bool(self.texts), "some")
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Fit the chips again."""
        self._draw()

    def _draw(self) -> None:
        chips, tail = self._shown
        width = self.content_size.width or self.screen.size.width - 4
        texts, tail = fitted([text for text, _ in chips], tail, width, self._glyphs.ellipsis)
        pieces: list[tuple[str, str] | str] = []
        for text, (_, color) in zip(texts, chips, strict=False):
            pieces += [(f" {text} ", f"${color} on ${color} 18%"), " "]
        if len(texts) < len(chips):
            pieces.append((f"+{len(chips) - len(texts)} ", "$foreground 70%"))
        pieces.append((tail, "$foreground 70%"))
        if pieces != self._drawn:  # an update lays out the whole screen
            self._drawn = pieces
            self.update(Content.assemble(*pieces))


def fitted(
    chips: Sequence[str], tail: str, width: int, ellipsis: str = "…"
) -> tuple[list[str], str]:
    """Return the texts of the chips that fit, and the parts of the tail that fit after them.

    The longest chip gives way first, then the parts of the tail, then the last chips. Cut texts end
    in an ellipsis; figures in the tail are whole or left out.
    """
    widest = max(WIDEST, width * 2 // 3)
    texts = [fit(clip(text, widest * 2), min(widest, cell_len(clip(text, widest * 2))),
                 ellipsis=ellipsis) for text in chips]  # fmt: skip

    def over() -> int:
        rest = cell_len(f"+{len(chips) - len(texts)} ") if len(texts) < len(chips) else 0
        return sum(cell_len(text) + 3 for text in texts) + rest + cell_len(tail) - width

    def shorten() -> None:
        if texts and (excess := over()) > 0:
            place = max(range(len(texts)), key=lambda one: cell_len(texts[one]))
            length = cell_len(texts[place])
            left = max(min(LEAST, length), length - excess)
            texts[place] = fit(texts[place], left, ellipsis=ellipsis)

    for _ in chips:
        shorten()
    tail = whole_parts(tail, cell_len(tail) - over()) if over() > 0 else tail
    if over() > 0:
        tail = ""
    while len(texts) > 1 and over() > 0:
        texts.pop()
    if texts and over() > 0:
        texts[0] = fit(texts[0], max(1, cell_len(texts[0]) - over()), ellipsis=ellipsis)
    return texts, tail
