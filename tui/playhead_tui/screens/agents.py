"""The screen of agents: their calls of models and tools, and the steps of services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from playhead.formatting import cost, count, dollars, duration, sparkline
from playhead.model import AgentFigures, CallChoice, Cost
from rich.style import Style
from textual.binding import Binding, BindingType

from playhead_tui.drawing.glyphs import ASCII
from playhead_tui.drawing.palette import Palette
from playhead_tui.screens.groups import CountedInvocations, Groups
from playhead_tui.widgets.group_list import Column

__all__ = ["AgentsScreen"]


class AgentsScreen(CountedInvocations[AgentFigures]):
    """Figures of models, tools and steps, by agent; Enter shows the calls behind a row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "invocations", "Invocations"),
    ]
    NAME = "Agents"
    EMPTY = (
        "No calls are recorded.\n\nThey appear here when an agent sends spans to the recorder, or "
        "when the recorder copies its journal."
    )

    def columns(self) -> Sequence[Column[AgentFigures]]:
        """Return the columns; of steps, the service takes the place of the agent."""
        ascii_only = self.dashboard.glyphs is ASCII

        def number(
            heading: str,
            value: Callable[[AgentFigures], int],
            importance: int,
            *,
            llm: bool = False,
        ) -> Column[AgentFigures]:
            def text(row: AgentFigures) -> str:
                return "" if llm and row.kind != "model" else count(value(row))

            return Column(heading, max(6, len(heading)), text, _plain, True, importance=importance)

        return (
            Column("AGENT", 10, lambda r: r.agent, lambda r, p: p.text, flexible=True,
                   importance=9),
            Column("KIND", 5, lambda r: r.kind, _kind_style, importance=6),
            Column("NAME", 14, lambda r: r.name, lambda r, p: p.strong, flexible=True,
                   importance=11),
            number("CALLS", lambda r: r.calls, 10),
            Column("ERRORS", 6, lambda r: count(r.errors),
                   lambda r, p: p.bad if r.errors else p.dim, True, importance=8),
            Column("RETRIES", 7, lambda r: count(r.retries),
                   lambda r, p: p.warn if r.retries else p.dim, True, importance=4),
            number("INPUT", lambda r: r.input_tokens, 3, llm=True),
            number("OUTPUT", lambda r: r.output_tokens, 3, llm=True),
            number("CACHED", lambda r: r.cached_tokens, 1, llm=True),
            number("REASONING", lambda r: r.reasoning_tokens, 0, llm=True),
            Column("COST", 9, lambda r: cost(r.cost, unknown=""), lambda r, p: p.text, True,
                   importance=7),
            Column("P50", 7, lambda r: duration(r.p50_seconds), _plain, True, importance=2),
            Column("P95", 7, lambda r: duration(r.p95_seconds), _plain, True, importance=5),
            Column("TREND", 12, lambda r: sparkline(r.trend, ascii_only=ascii_only), _kind_style,
                   importance=-1),
        )  # fmt: skip

    def key_of(self, group: AgentFigures) -> str:
        """Return kind, agent and name."""
        return f"{group.kind}\n{group.agent}\n{group.name}"

    def filter_of(self, group: AgentFigures) -> str:
        """Return the filter that selects the invocations of the calls."""
        from playhead.filters.language import quote

        name = quote(group.name)
        match group.kind:
            case "model":
                return f"llm={name}" + (f" agent={quote(group.agent)}" if group.agent else "")
            case "tool":
                return f"tool={name}"
            case _:
                return f"step={name} service={quote(group.agent)}"

    def open_group(self, group: AgentFigures) -> None:
        """Show the calls of a model or tool, or the invocations of a step."""
        if group.kind == "step":
            super().open_group(group)
            return
        from playhead_tui.screens.agent_calls import AgentCallsScreen

        choice = CallChoice(group.kind, group.agent, group.name)
        self.dashboard.push_screen(AgentCallsScreen(self.dashboard, self.filter, choice))

    def action_invocations(self) -> None:
        """Show the invocations behind the row."""
        if group := self.selected(self.listing.current):
            super().open_group(group)

    async def read_groups(self, filter_: str) -> Groups[AgentFigures]:
        """Read the figures."""
        report = await self.dashboard.reader.agents(filter=filter_ or None)
        models = [row for row in report.rows if row.kind == "model"]
        total = sum((row.cost for row in models if row.cost), Cost())
        title = f"{count(sum(row.calls for row in models))} LLM calls"
        if total.usd:
            title += f", {dollars(total.usd)}"
        if total.unpriced_calls:
            title += f", {count(total.unpriced_calls)} of unknown price"
        return Groups(report.rows, title, report.missing)


def _plain(row: AgentFigures, palette: Palette) -> Style:
    return palette.text


def _kind_style(row: AgentFigures, palette: Palette) -> Style:
    return {"model": palette.llm, "tool": palette.tool}.get(row.kind, palette.dim)
