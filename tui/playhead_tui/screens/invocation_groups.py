"""The screen of groups: invocations by service, status, error or key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from playhead.formatting import age, cost, count, tokens, totals_line
from playhead.model import FAILING, GROUP_KEYS, GroupKey, InvocationGroup, Totals
from playhead.saved_views import SavedView
from rich.style import Style
from textual.binding import Binding, BindingType

from playhead_tui.drawing.palette import Palette
from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.groups import CountedInvocations, Groups
from playhead_tui.widgets.group_list import Column

__all__ = ["InvocationGroupsScreen"]

LIMIT = 500
"""Groups that are read."""


class InvocationGroupsScreen(CountedInvocations[InvocationGroup]):
    """Invocations with the same service, status, error or key, the largest group first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "next_key", "Group by the next"),
        Binding("v", "views", "Saved views", show=False),
        Binding("V", "save_view", "Save this view", show=False),
    ]
    NAME = "Groups"
    EMPTY = "No invocation is recorded."

    def __init__(
        self,
        dashboard: Dashboard,
        filter_: str,
        *,
        by: GroupKey = "service",
        view: SavedView | None = None,
    ) -> None:
        """Create the screen.

        Args:
            dashboard: the app.
            filter_: only invocations that match are counted.
            by: what the invocations of a group have in common.
            view: the view of the list, for saving.
        """
        super().__init__(dashboard, filter_)
        self.by: GroupKey = by
        self._view = view or SavedView()

    def copy_to_open(self) -> InvocationGroupsScreen:
        """Return a new screen with the same groups."""
        return InvocationGroupsScreen(self.dashboard, self.filter, by=self.by, view=self._view)

    def columns(self) -> Sequence[Column[InvocationGroup]]:
        """Return the columns."""
        now = self.dashboard.now

        def figure(
            heading: str, text: Callable[[Totals], str], importance: int, width: int = 9
        ) -> Column[InvocationGroup]:
            return Column(
                heading, max(width, len(heading)), lambda g: text(g.totals), _plain, True,
                importance=importance,
            )  # fmt: skip

        return (
            Column("GROUP", 14, lambda g: g.name, lambda g, p: p.strong, flexible=True,
                   importance=11),
            figure("COUNT", lambda t: count(t.invocations), 10, 6),
            Column("FAILING", 7, lambda g: count(_failing(g.totals)),
                   lambda g, p: p.bad if _failing(g.totals) else p.dim, True, importance=8),
            figure("LLM CALLS", lambda t: count(t.llm_calls, unknown=""), 4),
            figure("TOKENS", lambda t: tokens(t.tokens, unknown=""), 6),
            figure("COST", lambda t: cost(t.cost, unknown=""), 7),
            Column("FIRST", 5, lambda g: age(g.first_at, now()), lambda g, p: p.dim, True,
                   importance=3),
            Column("LAST", 5, lambda g: age(g.last_at, now()), _plain, True, importance=5),
        )  # fmt: skip

    def key_of(self, group: InvocationGroup) -> str:
        """Return the common value, which is unique with what it is."""
        return f"{self.by}\n{group.name}"

    def filter_of(self, group: InvocationGroup) -> str:
        """Return the filter that selects the invocations of the group."""
        from playhead.filters.language import quote

        if self.by == "error" and group.name:
            return f"error:{quote(group.name)}"
        sign = ":" if self.by == "status" else "="
        return f"{self.by}{sign}{quote(group.name)}"

    async def read_groups(self, filter_: str) -> Groups[InvocationGroup]:
        """Read the groups, and the totals of all of them."""
        by, reader = self.by, self.dashboard.reader
        found = await reader.groups(by, filter=filter_ or None, limit=LIMIT)
        totals = await reader.totals(filter=filter_ or None)
        number = "1 group" if found.total == 1 else f"{count(found.total)} groups"
        title = f"by {by}  {number}, {totals_line(totals)}"
        if len(found.groups) < found.total:
            title += f"; the largest {len(found.groups)} are shown"
        return Groups(found.groups, title, found.missing)

    def is_wanted(self, groups: Groups[InvocationGroup]) -> bool:
        """Return whether groups were read by the current key."""
        return groups.title.startswith(f"by {self.by} ")

    def action_next_key(self) -> None:
        """Group by the next of service, status, error and key."""
        after = GROUP_KEYS.index(self.by) + 1
        self.by = GROUP_KEYS[after % len(GROUP_KEYS)]
        self.refresh_now()

    @property
    def view(self) -> SavedView:
        """These groups, with the order and columns of the list."""
        return replace(self._view, filter=self.filter, group_by=self.by)

    def action_views(self) -> None:
        """Open a saved view, or save, rename or delete one."""
        from playhead_tui.actions.views import choose_view

        self.dashboard.run_dialog(choose_view(self.dashboard, self.view, self.dashboard.show_view))

    def action_save_view(self) -> None:
        """Save these groups under a name."""
        from playhead_tui.actions.views import save_view

        self.dashboard.run_dialog(save_view(self.dashboard, self.view))


def _failing(totals: Totals) -> int:
    return sum(totals.by_status.get(status, 0) for status in FAILING)


def _plain(group: InvocationGroup, palette: Palette) -> Style:
    return palette.text
