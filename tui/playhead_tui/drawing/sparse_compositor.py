"""A compositor that asks only the widgets with changed lines to draw themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

# Textual has no public way to replace it.
from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

__all__ = ["SparseCompositor"]


class SparseCompositor(Compositor):
    """Textual's compositor, without the widgets and lines that a change does not show.

    For each change of a line, Textual's asks every widget of the screen for all of its lines, also
    the containers behind others. If its internals become others, this class changes nothing.
    """

    _changed: Collection[Region] = ()
    """What a partial update draws."""

    def render_partial_update(self) -> ChopsUpdate | None:
        """Draw what has changed."""
        self._changed = tuple(self._dirty_regions)
        try:
            return super().render_partial_update()
        finally:
            self._changed = ()

    def _get_renders(
        self, crop: Region | None = None
    ) -> Iterable[tuple[Region, Region, list[Strip]]]:
        """Return what the widgets draw that is seen within a region."""
        if crop is None:
            return super()._get_renders(crop)
        everything = self.visible_widgets
        within = _seen(everything, self._changed or (crop,))
        self._visible_widgets = within
        try:
            return list(super()._get_renders(crop))
        finally:
            if self._visible_widgets is within:
                self._visible_widgets = everything


def _seen(
    widgets: Mapping[Widget, tuple[Region, Region]], changed: Iterable[Region]
) -> dict[Widget, tuple[Region, Region]]:
    """Return the widgets that are seen within regions, with their lines from there.

    Args:
        widgets: The region of each widget and what it is clipped to, from front to back.
        changed: The regions.
    """
    found: dict[Widget, tuple[Region, Region]] = {}
    uncovered = list(changed)
    for widget, (region, clip) in widgets.items():
        area = region.intersection(clip)
        if not (seen := [one for one in uncovered if area.overlaps(one)]):
            continue
        top, bottom = min(one.y for one in seen), max(one.bottom for one in seen)
        lines = Region(clip.x, top, clip.width, bottom - top)
        found[widget] = region, clip.intersection(lines)
        uncovered = [one for one in uncovered if not area.contains_region(one)]
    return found
