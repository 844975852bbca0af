"""The screen of single calls of models and tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, get_args

from playhead.formatting import age, cost, count, duration
from playhead.model import AgentCall, CallChoice, CallOrder
from rich.style import Style
from textual.binding import Binding, BindingType

from playhead_tui.drawing.palette import Palette
from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.groups import Groups, GroupScreen
from playhead_tui.widgets.group_list import Column

__all__ = ["AgentCallsScreen"]

LIMIT = 500
"""Calls that are read."""
ORDERS: dict[CallOrder, str] = {
    "newest": "newest first", "slowest": "slowest first", "tokens": "most tokens first",
    "cost": "most expensive first",
}  # fmt: skip


class AgentCallsScreen(GroupScreen[AgentCall]):
    """Calls of one model or tool; Enter opens the invocation at the call."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "Sort"),
        Binding("e", "errors", "Errors"),
        Binding("r", "retries", "Retries"),
    ]
    NAME = "Calls"
    EMPTY = "No call matches.\n\nPress e or r again to see calls without errors or retries."

    def __init__(self, dashboard: Dashboard, filter_: str, choice: CallChoice) -> None:
        """Create the screen.

        Args:
            dashboard: the app.
            filter_: only calls of invocations that match are shown.
            choice: the calls.
        """
        super().__init__(dashboard, filter_)
        self._choice = choice
        self._order: CallOrder = "newest"

    @property
    def place(self) -> str:
        """Return nothing: the first call comes first each time."""
        return ""

    @property
    def counted_filter(self) -> str:
        """The same filter."""
        return self.filter

    def columns(self) -> Sequence[Column[AgentCall]]:
        """Return the columns; input and output are tokens."""
        now = self.dashboard.now
        return (
            Column("AGE", 7, lambda c: age(c.started_at, now(), took=c.seconds), lambda c, p: p.dim,
                   True, importance=5),
            Column("AGENT", 10, lambda c: c.agent, lambda c, p: p.text, flexible=True,
                   importance=3),
            Column("NAME", 14, lambda c: c.name, _name_style, flexible=True, importance=8),
            Column("OUTCOME", 11, lambda c: c.outcome, _outcome_style, importance=9),
            Column("RETRY", 5, lambda c: "retry" if c.repeated else "", lambda c, p: p.warn,
                   importance=4),
            Column("DURATION", 8, lambda c: duration(c.seconds), lambda c, p: p.text, True,
                   importance=10),
            Column("INPUT", 6, lambda c: count(c.input_tokens, unknown=""), lambda c, p: p.text,
                   True, importance=6),
            Column("OUTPUT", 6, lambda c: count(c.output_tokens, unknown=""), lambda c, p: p.text,
                   True, importance=6),
            Column("COST", 9, lambda c: cost(c.cost, unknown=""), lambda c, p: p.text, True,
                   importance=7),
            Column("TARGET", 16, lambda c: c.target or "", lambda c, p: p.strong, flexible=True,
                   importance=11),
        )  # fmt: skip

    def key_of(self, group: AgentCall) -> str:
        """Return the span, or the journal entry of an answer without one."""
        if group.span_id is not None:
            return f"{group.trace_id} {group.span_id}"
        return f"{group.invocation_id} #{group.index}"

    async def read_groups(self, filter_: str) -> Groups[AgentCall]:
        """Read the calls."""
        choice, order = self._choice, self._order
        page = await self.dashboard.reader.agent_calls(
            choice, filter=filter_ or None, order=order, limit=LIMIT
        )
        words = [choice.name or "", f"by {choice.agent}" if choice.agent else ""]
        shown = _counted(page.rows)
        if page.more:
            shown = f"the first {len(page.rows)}: {shown}"
        only = ["failed only"] if choice.outcome else []
        only += ["retries only"] if choice.repeated else []
        title = " ".join(filter(None, words))
        title = ", ".join([f"{title}  {shown}".strip(), ORDERS[order], *only])
        return Groups(page.rows, title, page.missing)

    def open_group(self, group: AgentCall) -> None:
        """Open the invocation at the call."""
        if group.invocation_id is None:
            self.dashboard.notify("This call belongs to no invocation.")
        else:
            self.dashboard.open_invocation(group.invocation_id, group.index, group.span_id)

    def action_sort(self) -> None:
        """Show the calls in the next order."""
        names = get_args(CallOrder)
        self._order = names[(names.index(self._order) + 1) % len(names)]
        self._read_again()

    def action_errors(self) -> None:
        """Show only calls that failed, or all again."""
        outcome = None if self._choice.outcome else "failed"
        self._choice = replace(self._choice, outcome=outcome)
        self._read_again()

    def action_retries(self) -> None:
        """Show only calls that repeated an earlier one, or all again."""
        self._choice = replace(self._choice, repeated=not self._choice.repeated)
        self._read_again()

    def _read_again(self) -> None:
        self._loaded = False  # the cursor goes to the first row
        self.refresh_now()


def _counted(calls: Sequence[AgentCall]) -> str:
    """Return the number of calls by outcome: `6 answered, 1 failed`."""
    numbers = Counter(
        "answered" if call.kind == "model" and call.outcome == "succeeded" else call.outcome
        for call in calls
    )
    return ", ".join(f"{number} {outcome}" for outcome, number in numbers.most_common()) or "none"


def _name_style(call: AgentCall, palette: Palette) -> Style:
    return palette.llm if call.kind == "model" else palette.tool


def _outcome_style(call: AgentCall, palette: Palette) -> Style:
    return {"succeeded": palette.dim, "failed": palette.bad}.get(call.outcome, palette.warn)
