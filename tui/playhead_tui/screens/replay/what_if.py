"""The result of a what-if: both runs side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar, Literal

from playhead.conventions import MODEL_STEPS
from playhead.replay import Failure, WhatIfQuestion, WhatIfResult
from playhead.replay.targets import result_of_text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget

from playhead_tui.actions.copy import as_json
from playhead_tui.dialogs.dialog import Prompt
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line
from playhead_tui.inspector.what_if import ending, row_lines, unanswered
from playhead_tui.interfaces import Dashboard
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.key_footer import KeyFooter
from playhead_tui.widgets.replay.comparison import Comparison
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.text_pane import TextPane

__all__ = ["NextRun", "WhatIfScreen"]

NextRun = tuple[Literal["edit", "run"], WhatIfQuestion]
"""Action after the screen: edit the question first, or run it."""
WIDE = 110


class WhatIfScreen(Screen[NextRun | None]):
    """The steps of both runs; beside or below them, the result and the selected step."""

    DEFAULT_CSS = """
    WhatIfScreen #panes { layout: vertical; height: 1fr; }
    WhatIfScreen Comparison { height: 1fr; }
    WhatIfScreen TextPane { height: 1fr; border-top: solid $panel; }
    WhatIfScreen.wide #panes { layout: horizontal; }
    WhatIfScreen.wide Comparison { width: 3fr; height: 100%; }
    WhatIfScreen.wide TextPane { width: 2fr; height: 100%; border-top: none;
        border-left: solid $panel; }
    WhatIfScreen.plain TextPane { border-top: ascii $panel; }
    WhatIfScreen.plain.wide TextPane { border-top: none; border-left: ascii $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", show=False),
        Binding("n", "match(1)", "Next difference"),
        Binding("N", "match(-1)", "Previous difference", show=False),
        Binding("e", "edit", "Edit"),
        Binding("a", "answer", "Answer"),
        Binding("right_square_bracket", "tab(1)", "Next tab"),
        Binding("left_square_bracket", "tab(-1)", "Previous tab", show=False),
        Binding("1", "pane('comparison')", "Both runs", show=False),
        Binding("2", "pane('details')", "Result and step", show=False),
        Binding("y", "copy", "Copy as JSON", show=False),
    ]

    def __init__(
        self, dashboard: Dashboard, result: WhatIfResult, question: WhatIfQuestion, target: str
    ) -> None:
        super().__init__()
        self.dashboard = dashboard
        self.result = result
        self.question = question
        self.target = target
        self.glyphs = dashboard.glyphs
        self.set_class(not self.glyphs.eighths, "plain")

    def compose(self) -> ComposeResult:
        """Lay out the question, both runs, the details and the keys."""
        yield Chips(glyphs=self.glyphs)
        with Container(id="panes"):
            yield Comparison(glyphs=self.glyphs, widget_id="comparison")
            pane = TextPane("Result", glyphs=self.glyphs, widget_id="details")
            pane.tabs = ("Result", "Step")
            yield pane
        yield KeyFooter()

    def on_mount(self) -> None:
        """Fill all panes; the result no longer changes."""
        chips = [(f"what-if {clip(self.target, 20)}", "primary")]
        for key, value in self.question.changes.items():
            shown = value.message if isinstance(value, Failure) else json.dumps(value, default=str)
            name = f"#{key}" if isinstance(key, int) else key
            chips.append((f"{name} = {clip(shown, 18)}", "warning"))
        if self.question.live:
            chips.append((f"live: {', '.join(self.question.live)}", "error"))
        differ = sum(not row.same for row in self.result.rows)
        tail = f"{differ} of {len(self.result.rows)} steps differ"
        self.query_one(Chips).show_chips(chips, tail)
        comparison = self.query_one(Comparison)
        comparison.show_result(self.result)
        comparison.focus()
        self._show(stay=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer `answer` only when the new run waits for an answer."""
        return action != "answer" or bool(unanswered(self.result))

    def on_resize(self, event: events.Resize) -> None:
        """Put the panes side by side or one above the other."""
        self.set_class(event.size.width >= WIDE, "wide")

    def _show(self, *, stay: bool) -> None:
        pane, current = self.query_one(TextPane), self.query_one(Comparison).current
        lines: list[Line] = []
        if pane.tab == 0:
            lines = list(ending(self.result))
        elif current:
            lines = list(row_lines(current[1]))
        pane.show_lines(lines, stay=stay)

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Show the step under the cursor, on its tab."""
        if self.query_one(TextPane).tab == 1:
            self._show(stay=False)

    def on_rows_view_chosen(self, message: RowsView.Chosen) -> None:
        """Open the tab of the step."""
        self.query_one(TextPane).tab = 1
        self._show(stay=False)

    def action_tab(self, step: int) -> None:
        """Show the next or previous tab."""
        pane = self.query_one(TextPane)
        pane.tab = (pane.tab + step) % len(pane.tabs)
        self._show(stay=False)

    def action_pane(self, name: str) -> None:
        """Focus a pane."""
        self.query_one(f"#{name}", Widget).focus()

    def action_match(self, by: int) -> None:
        """Go to the next or previous step that differs."""
        view = self.query_one(Comparison)
        for distance in range(1, len(view.rows) + 1):
            number, row = view.rows[(view.place + by * distance) % len(view.rows)]
            if not row.same:
                view.go_to(str(number))
                return
        self.notify("No differences.")

    def action_edit(self) -> None:
        """Edit the question."""
        self.dismiss(("edit", self.question))

    @work(group="dialogs", exclusive=True)
    async def action_answer(self) -> None:
        """Ask for the missing answer, and run with it."""
        names = unanswered(self.result)
        if not names:
            self.notify("The new run is not waiting for an answer.")
            return
        of_model = names[0] in MODEL_STEPS
        body = [
            Line(f"The recording has no answer from {clip(names[0])} to this request."),
            Line(
                "Enter the model's answer, as text or JSON." if of_model else "Enter JSON.", "dim"
            ),
        ]

        def check(text: str) -> str | None:
            try:
                result_of_text(text, of_model=of_model)
            except ValueError as error:
                return f"Not valid JSON: {error}. Put text in quotes."
            return None

        prompt = Prompt(f"Answer from {clip(names[0], 50)}", body, check=check)
        typed = await self.dashboard.push_screen_wait(prompt)
        if typed is not None:
            answer = result_of_text(typed, of_model=of_model)
            answers = {**self.question.answers, names[0]: answer}
            self.dismiss(("run", replace(self.question, answers=answers)))

    def action_copy(self) -> None:
        """Copy both runs as JSON."""
        self.dashboard.copy_text(as_json(self.result))

    def action_back(self) -> None:
        """Go back to the replay."""
        self.dismiss(None)
