"""The preview of the selected invocation, beside the list on wide terminals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from playhead.formatting import attempts_line, calls_of, cost, elapsed, reason, times, tokens
from playhead.model import Invocation, InvocationDetail
from playhead.reader.invocation.conversation import Turn

from playhead_tui.drawing.document import Line, heading, value_lines
from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.drawing.palette import STATUS_STYLES
from playhead_tui.inspector.views import turn_lines
from playhead_tui.widgets.text_pane import TextPane

__all__ = ["Preview"]

VALUE_LIMIT = 2000
"""Characters of an input or output."""
UNKNOWN_COST = "?"
"""What stands in columns for a cost of which no price is known."""


class Preview(TextPane):
    """What an invocation was asked, what failed, and what was answered last."""

    def __init__(self, *, glyphs: Glyphs = UNICODE) -> None:
        super().__init__("Preview", glyphs=glyphs, widget_id="preview")
        self.shown: str | None = None
        """Id of the invocation on screen."""
        self.can_focus = False

    def show_row(self, row: Invocation) -> None:
        """Show what the list knows, until the rest was read."""
        if self.shown != row.id:
            self.shown = row.id
            self.show_lines([*_head(row), Line(""), Line("Reading ...", "dim")], stay=False)

    def show_detail(self, detail: InvocationDetail, turns: Sequence[Turn]) -> None:
        """Show an invocation and its last turns."""
        self.show_lines(list(_lines(detail, turns)), stay=True)


def _head(row: Invocation) -> Iterator[Line]:
    yield Line(row.target, "strong")
    stored = "" if row.origin == "live" else ", stored"
    yield Line(f"{row.status}{stored}  {elapsed(row)}", STATUS_STYLES.get(row.status, "dim"))
    if times(row):
        yield Line(times(row), "dim")
    figures = [attempts_line(row)] if row.attempts_at_least or row.attempts else []
    if row.llm_calls:
        figures += [calls_of(row.llm_calls, "LLM call"), f"{tokens(row.tokens)} tokens"]
        price = cost(row.cost, unknown="")
        figures += ["cost unknown" if price == UNKNOWN_COST else price]
    yield Line(", ".join(filter(None, figures)), "dim")
    if text := reason(row):
        yield Line(text, "bad" if row.status in ("failed", "killed") else "warn")


def _lines(detail: InvocationDetail, turns: Sequence[Turn]) -> Iterator[Line]:
    yield from _head(detail.summary)
    if turns:
        yield from heading("Last model call")
        yield from turn_lines(turns[-1:])
    for title, kind in (("Input", "input"), ("Output", "output")):
        step = next((step for step in detail.steps if step.kind == kind), None)
        value = None if step is None else step.input if step.input is not None else step.output
        if value is not None:
            yield from heading(title)
            yield from value_lines(value, indent=2, limit=VALUE_LIMIT)
