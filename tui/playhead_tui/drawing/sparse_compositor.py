"""A compositor that asks only the widgets with changed lines to draw themselves."""

from __future__ import annotations

from collections.abc import Iterable

from textual._compositor import Compositor  # Textual has no public way to replace it
from textual.geometry import Region
from textual.strip import Strip

__all__ = ["SparseCompositor"]


class SparseCompositor(Compositor):
    """Textual's compositor, without the widgets outside of what is drawn.

    For each change of a line, Textual's asks every widget of the screen for all of its lines. If
    its internals become others, this class changes nothing.
    """

    def _get_renders(
        self, crop: Region | None = None
    ) -> Iterable[tuple[Region, Region, list[Strip]]]:
        """Return what the widgets draw that overlap with a region."""
        if crop is None:
            return super()._get_renders(crop)
        everything = self.visible_widgets
        within = {
            widget: (region, clip)
            for widget, (region, clip) in everything.items()
            if crop.overlaps(region.intersection(clip))
        }
        self._visible_widgets = within
        try:
            return list(super()._get_renders(crop))
        finally:
            if self._visible_widgets is within:
                self._visible_widgets = everything
