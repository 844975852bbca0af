"""The line of keys at the bottom."""

from __future__ import annotations

from typing import Any, cast

from textual.app import App
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Footer

__all__ = ["KeyFooter"]


class KeyFooter(Footer):
    """Textual's footer, which is made again only when it would show other keys.

    Textual removes and creates a widget for each key whenever the focus or a row changes.
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._keys: tuple[tuple[Binding, bool, str], ...] | None = None
        """The keys on screen, with whether they are enabled, and their tooltips."""

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
