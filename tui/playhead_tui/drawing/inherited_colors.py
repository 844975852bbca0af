"""The colors of a widget, which depend on its styles and on those of the widgets around it."""

from __future__ import annotations

from typing import Any, cast

from rich.style import Style
from textual.color import Color
from textual.widget import Widget

__all__ = ["InheritedColors"]


class InheritedColors:
    """The style and the background of a widget, made again only after styles have changed.

    Textual goes through all rules of the widget and its ancestors each time it is asked, which
    takes longer than to draw a line.
    """

    def __init__(self, widget: Widget) -> None:
        """Take the widget."""
        self._widget = widget
        self._versions: object = None
        self._colors = Style(), Color(0, 0, 0)

    def now(self) -> tuple[Style, Color]:
        """Return the style of text, and the background."""
        widget = self._widget
        versions = [_version(node) for node in widget.ancestors_with_self]
        if None in versions or versions != self._versions:
            self._colors = widget.rich_style, widget.background_colors[1]
            self._versions = versions
        return self._colors


def _version(node: Any) -> tuple[int, int] | None:
    """Return what changes with the styles of a node; None if Textual has no such number."""
    styles = node.styles
    version = cast("int | None", getattr(styles, "_cache_key", None))
    return None if version is None else (id(styles), version)
