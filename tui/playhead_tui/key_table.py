"""The keys of every screen, read from the bindings, for the help screen and the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from textual.binding import Binding, BindingType
from textual.keys import format_key
from textual.screen import Screen

from playhead_tui.dialogs.dialog import Dialog, Menu
from playhead_tui.dialogs.result_editor import ResultEditor
from playhead_tui.screens.compare import CompareScreen
from playhead_tui.screens.details import DetailScreen
from playhead_tui.screens.failures import FailuresScreen
from playhead_tui.screens.groups import GroupScreen
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.screens.invocation_groups import InvocationGroupsScreen
from playhead_tui.screens.invocation_views import InvocationViews
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.screens.list_views import ListViews
from playhead_tui.screens.objects import HistoryScreen, ObjectScreen, ObjectsScreen
from playhead_tui.screens.polling import PollingScreen
from playhead_tui.screens.replay.screen import ReplayScreen
from playhead_tui.screens.replay.what_if import WhatIfScreen
from playhead_tui.screens.services import JournalCheckScreen, ServicesScreen
from playhead_tui.screens.sql import SqlScreen
from playhead_tui.widgets.filter_bar import FilterBar
from playhead_tui.widgets.inspector import Inspector
from playhead_tui.widgets.replay.stop_pane import SCROLLING
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.sql_editor import SqlEditor
from playhead_tui.widgets.text_pane import TextPane
from playhead_tui.widgets.waterfall import Waterfall

__all__ = ["key_rows"]


_Kinds = type[Screen[Any]] | tuple[type[Screen[Any]], ...]
_PLACES: Sequence[tuple[_Kinds, Sequence[str]]] = (
    (InvocationsScreen, ("Invocations", "List and invocation", "Filter line", "Lists")),
    (InvocationScreen, ("Invocation", "Timeline", "Inspector and state", "List and invocation")),
    ((ObjectsScreen, ObjectScreen, HistoryScreen), ("State", "Lists")),
    (SqlScreen, ("SQL", "Lists")),
    (InvocationViews, ("Views of an invocation", "Inspector and state")),
    (CompareScreen, ("Compare", "Lists")),
    ((ServicesScreen, JournalCheckScreen), ("Services", "Lists")),
    (GroupScreen, ("Groups, failures and agents", "Lists")),
    (ReplayScreen, ("Replay",)),
    (WhatIfScreen, ("What-if comparison",)),
)
"""The places whose keys work on a screen, the most special ones first."""
_CHANGES = {
    "List and invocation": PollingScreen.CHANGES,
    "Invocations": InvocationsScreen.CHANGES,
    "Invocation": InvocationScreen.CHANGES,
    "State": ObjectScreen.CHANGES,
}
"""Actions that change something on the server, by place."""


def key_rows(
    app_bindings: Sequence[BindingType],
    screen: Screen[Any] | None = None,
    *,
    read_only: bool = False,
) -> list[tuple[str, str, str]]:
    """Return the place, the name and the description of every key.

    Args:
        app_bindings: bindings of the app itself, which work on every screen.
        screen: the screen whose keys come first.
        read_only: leave out the keys of actions that change something on the server.
    """
    first = next((places for kind, places in _PLACES if isinstance(screen, kind)), ())
    places: list[tuple[str, Sequence[BindingType]]] = [
        ("Everywhere", app_bindings),
        ("Lists", RowsView.BINDINGS),
        ("List and invocation", PollingScreen.BINDINGS),
        ("Invocations", [*InvocationsScreen.BINDINGS, *ListViews.BINDINGS]),
        ("SQL", [*SqlScreen.BINDINGS, *SqlEditor.BINDINGS]),
        ("Compare", CompareScreen.BINDINGS),
        (
            "Services",
            [
                *DetailScreen.BINDINGS,
                *ServicesScreen.BINDINGS,
                *JournalCheckScreen.BINDINGS,
            ],
        ),
        ("State", [*DetailScreen.BINDINGS, *ObjectScreen.BINDINGS]),
        (
            "Groups, failures and agents",
            [*GroupScreen.BINDINGS, *InvocationGroupsScreen.BINDINGS, *FailuresScreen.BINDINGS],
        ),
        ("Invocation", InvocationScreen.BINDINGS),
        ("Views of an invocation", InvocationViews.BINDINGS),
        ("Timeline", Waterfall.BINDINGS),
        ("Inspector and state", [*TextPane.BINDINGS, *Inspector.BINDINGS]),
        ("Replay", [*ReplayScreen.BINDINGS, *SCROLLING]),
        ("Result editor", ResultEditor.BINDINGS),
        ("What-if comparison", WhatIfScreen.BINDINGS),
        ("Filter line", FilterBar.BINDINGS),
        ("Dialogs", [*Dialog.BINDINGS, *Menu.BINDINGS]),
    ]
    order = [*first, *(place for place, _ in places)]
    places.sort(key=lambda named: order.index(named[0]))
    rows: dict[tuple[str, str, str], None] = {}
    for place, bindings in places:
        removed = _CHANGES.get(place, frozenset()) if read_only else frozenset[str]()
        for keys, description in _described(bindings, removed):
            rows[place, keys, description] = None
    return list(rows)


def _described(
    bindings: Iterable[BindingType], removed: frozenset[str]
) -> Iterable[tuple[str, str]]:
    for binding in bindings:
        if isinstance(binding, Binding) and binding.action not in removed:
            # Terminals send ctrl+@ for ctrl+space.
            names = [name for name in binding.key.split(",") if name.strip() != "ctrl+@"]
            yield " ".join(format_key(name.strip()) for name in names), binding.description
