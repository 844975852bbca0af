"""The keys of every screen, read from the bindings, for the help screen and the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from textual.binding import Binding, BindingType
from textual.keys import format_key
from textual.screen import Screen

from playhead_tui.dialogs.dialog import Dialog, Menu
from playhead_tui.dialogs.result_editor import ResultEditor
from playhead_tui.screens.agent_calls import AgentCallsScreen
from playhead_tui.screens.agents import AgentsScreen
from playhead_tui.screens.compare import CompareScreen
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
from playhead_tui.widgets.wrapped_editor import WrappedEditor

__all__ = ["key_rows"]


_PLACES: Sequence[tuple[type[Screen[Any]], Sequence[str]]] = (
    (InvocationsScreen, ("Invocations", "List and invocation", "Filter line", "Lists")),
    (InvocationScreen, ("Invocation", "Timeline", "Inspector and state", "List and invocation")),
    (ObjectsScreen, ("State", "Lists")),
    (ObjectScreen, ("One object or workflow", "Lists")),
    (HistoryScreen, ("History of a key", "Lists")),
    (SqlScreen, ("SQL", "Editors", "Lists")),
    (InvocationViews, ("Views of an invocation", "Inspector and state")),
    (CompareScreen, ("Compare", "Lists")),
    (ServicesScreen, ("Services", "Lists")),
    (JournalCheckScreen, ("Check of journals", "Lists")),
    (InvocationGroupsScreen, ("Groups", "Lists")),
    (FailuresScreen, ("Failures", "Lists")),
    (AgentsScreen, ("Agents", "Lists")),
    (AgentCallsScreen, ("Calls", "Lists")),
    (ReplayScreen, ("Replay",)),
    (WhatIfScreen, ("What-if comparison",)),
)
"""The places whose keys work on a screen, the most special ones first."""
_CHANGES = {
    "List and invocation": PollingScreen.CHANGES,
    "Invocations": InvocationsScreen.CHANGES,
    "Invocation": InvocationScreen.CHANGES,
    "One object or workflow": ObjectScreen.CHANGES,
    "Services": ServicesScreen.CHANGES,
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
        ("Compare", _all_of(CompareScreen)),
        ("Services", _all_of(ServicesScreen)),
        ("Check of journals", _all_of(JournalCheckScreen)),
        ("State", _all_of(ObjectsScreen)),
        ("One object or workflow", _all_of(ObjectScreen)),
        ("History of a key", _all_of(HistoryScreen)),
        ("Groups", _all_of(InvocationGroupsScreen)),
        ("Failures", _all_of(FailuresScreen)),
        ("Agents", _all_of(AgentsScreen)),
        ("Calls", _all_of(AgentCallsScreen)),
        ("Invocation", InvocationScreen.BINDINGS),
        ("Views of an invocation", InvocationViews.BINDINGS),
        ("Timeline", Waterfall.BINDINGS),
        ("Inspector and state", [*TextPane.BINDINGS, *Inspector.BINDINGS]),
        ("Replay", [*ReplayScreen.BINDINGS, *SCROLLING]),
        ("Result editor", ResultEditor.BINDINGS),
        ("What-if comparison", WhatIfScreen.BINDINGS),
        ("Editors", WrappedEditor.BINDINGS),
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


def _all_of(screen: type[GroupScreen[Any]]) -> Sequence[BindingType]:
    """Return the keys of a list and of the kinds of lists that it is, its own ones first."""
    kinds: list[type[object]] = [one for one in screen.__mro__ if issubclass(one, GroupScreen)]
    return [binding for kind in kinds for binding in vars(kind).get("BINDINGS", ())]


def _described(
    bindings: Iterable[BindingType], removed: frozenset[str]
) -> Iterable[tuple[str, str]]:
    for binding in bindings:
        if isinstance(binding, Binding) and binding.action not in removed:
            # Terminals send ctrl+@ for ctrl+space.
            names = [name for name in binding.key.split(",") if name.strip() != "ctrl+@"]
            yield " ".join(format_key(name.strip()) for name in names), binding.description
