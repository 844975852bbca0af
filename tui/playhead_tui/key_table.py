"""The keys, from the bindings themselves: for the help screen and the documentation."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding, BindingType
from textual.keys import format_key

__all__ = ["rows"]


def rows() -> list[tuple[str, str, str]]:
    """Every key: where it works, how it is written, what it does."""
    from playhead_tui.app import PlayheadApp
    from playhead_tui.dialogs.dialog import Dialog, Menu
    from playhead_tui.dialogs.result_editor import ResultEditor
    from playhead_tui.screens.invocation import InvocationScreen
    from playhead_tui.screens.invocations import InvocationsScreen
    from playhead_tui.screens.polling import PollingScreen
    from playhead_tui.screens.replay import ReplayScreen
    from playhead_tui.screens.what_if import WhatIfScreen
    from playhead_tui.widgets.filter_bar import FilterBar
    from playhead_tui.widgets.inspector import Inspector
    from playhead_tui.widgets.rows import RowsView
    from playhead_tui.widgets.stop_pane import SCROLLING
    from playhead_tui.widgets.text_pane import TextPane
    from playhead_tui.widgets.waterfall import Waterfall

    places: list[tuple[str, list[BindingType]]] = [
        ("Everywhere", PlayheadApp.BINDINGS),
        ("Lists", RowsView.BINDINGS),
        ("List and invocation", PollingScreen.BINDINGS),
        ("Invocations", InvocationsScreen.BINDINGS),
        ("Invocation", InvocationScreen.BINDINGS),
        ("Timeline", Waterfall.BINDINGS),
        ("Inspector and state", [*TextPane.BINDINGS, *Inspector.BINDINGS]),
        ("Replay", [*ReplayScreen.BINDINGS, *SCROLLING]),
        ("Changing a result", ResultEditor.BINDINGS),
        ("Both runs side by side", WhatIfScreen.BINDINGS),
        ("Filter line", FilterBar.BINDINGS),
        ("Dialogs", [*Dialog.BINDINGS, *Menu.BINDINGS]),
    ]
    found: list[tuple[str, str, str]] = []
    for place, bindings in places:
        for keys, what in _described(bindings):
            row = (place, keys, what)
            if row not in found:
                found.append(row)
    return found


def _described(bindings: Iterable[BindingType]) -> Iterable[tuple[str, str]]:
    for binding in bindings:
        if isinstance(binding, Binding):
            names = binding.key.split(",")
            yield " ".join(format_key(name.strip()) for name in names), binding.description
