"""The line of keys at the bottom."""

from __future__ import annotations

from typing import Any, cast

from rich.cells import cell_len
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Footer

__all__ = ["KeyFooter"]

HELP = "question_mark"
PADDING = 3
"""Cells around a key and its description."""


class KeyFooter(Footer):
    """Textual's footer, which is made again only when it would show other keys.

    Textual removes and creates a widget for each key whenever the focus or a row changes, and cuts
    the key at the edge. Here, keys that do not fit are left out, the one for help last.
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._keys: tuple[tuple[Binding, bool, str], ...] | None = None
        """The keys of the screen, with whether they are enabled, and their tooltips."""
        self._width = 0
        """Width for which the keys were chosen."""

    def compose(self) -> ComposeResult:
        """Create the keys that fit."""
        keys = cast("list[Any]", [*super().compose()])  # Textual's class is not public
        self._width = room = self._room
        chosen: list[Any] = []
        for key in sorted(keys, key=lambda key: key.key != HELP):
            width = cell_len(key.key_display) + cell_len(key.description) + PADDING
            if width <= room:
                room -= width
                chosen.append(key)
        self.styles.grid_size_columns = max(1, len(chosen))
        yield from (key for key in keys if key in chosen)

    @property
    def _room(self) -> int:
        """The width of the footer, which may be in a box; that of the screen before its layout."""
        return self.size.width or self.screen.size.width

    def on_resize(self, event: events.Resize) -> None:
        """Choose again for another width."""
        if self._keys is not None and self._room != self._width:
            self.call_after_refresh(self.recompose)

    def bindings_changed(self, screen: Screen[Any]) -> None:
        """Show the keys that can be pressed now."""
        app = cast("App[Any]", self.app)  # pyright: ignore[reportUnknownMemberType]
        if not app.app_focus:
            return
        keys = tuple(
            (binding, enabled, tooltip)
            for _, binding, enabled, tooltip in screen.active_bindings.values()
            if binding.show
        )
        if keys != self._keys:
            self._keys = keys
            super().bindings_changed(screen)  # pyright: ignore[reportUnknownMemberType]
