"""The outcome of a what-if: both runs side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from playhead.formatting import size
from playhead.replay import Failure, WhatIfQuestion, WhatIfResult
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer

from playhead_tui.actions.copy import as_json
from playhead_tui.dialogs.dialog import Prompt
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line
from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.inspector.what_if import ending, row_lines, unknown
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.comparison import Comparison
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.text_pane import TextPane

if TYPE_CHECKING:
    from playhead_tui.app import PlayheadApp

__all__ = ["Next", "WhatIfScreen"]

Next = tuple[Literal["edit", "run"], WhatIfQuestion]
"""What to do after looking at it: change the question, or ask this one."""
WIDE = 110


class WhatIfScreen(Screen[Next | None]):
    """Steps of both runs; below or beside them how it ended, and the selected step."""

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
        Binding("n", "match(1)", "Difference"),
        Binding("N", "match(-1)", "Previous difference", show=False),
        Binding("e", "edit", "Change"),
        Binding("a", "answer", "Answer"),
        Binding("right_square_bracket", "tab(1)", "Tab"),
        Binding("left_square_bracket", "tab(-1)", "Previous tab", show=False),
        Binding("1", "pane('comparison')", "Both runs", show=False),
        Binding("2", "pane('about')", "The end, the step", show=False),
        Binding("y", "copy", "Copy all as JSON", show=False),
    ]

    def __init__(
        self, outcome: WhatIfResult, question: WhatIfQuestion, target: str, *, glyphs: Glyphs
    ) -> None:
        super().__init__()
        self.outcome = outcome
        self.question = question
        self.target = target
        self.glyphs = glyphs
        self.set_class(not glyphs.eighths, "plain")

    @property
    def playhead(self) -> PlayheadApp:
        """The app, with its type."""
        return cast("PlayheadApp", self.app)  # pyright: ignore[reportUnknownMemberType]

    def compose(self) -> ComposeResult:
        """What was asked, both runs, what is known, keys."""
        yield Chips()
        with Container(id="panes"):
            yield Comparison(glyphs=self.glyphs, widget_id="comparison")
            pane = TextPane("Outcome", glyphs=self.glyphs, widget_id="about")
            pane.tabs = ("Outcome", "Step")
            yield pane
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Show all of it; it does not change any more."""
        chips = [(f"what if {clip(self.target, 20)}", "primary")]
        for key, value in self.question.changes.items():
            shown = value.message if isinstance(value, Failure) else json.dumps(value, default=str)
            name = f"#{key}" if isinstance(key, int) else key
            chips.append((f"{name} = {clip(shown, 18)}", "warning"))
        if self.question.live:
            chips.append((f"live: {', '.join(self.question.live)}", "error"))
        differ = sum(not row.same for row in self.outcome.rows)
        tail = f"{differ} of {len(self.outcome.rows)} steps differ"
        self.query_one(Chips).tell(chips, tail)
        comparison = self.query_one(Comparison)
        comparison.show_outcome(self.outcome)
        comparison.focus()
        self._show(stay=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """An answer can be given only to a run that waits for one."""
        return action != "answer" or bool(unknown(self.outcome))

    def on_resize(self, event: events.Resize) -> None:
        """Side by side, or one above the other."""
        self.set_class(event.size.width >= WIDE, "wide")

    def _show(self, *, stay: bool) -> None:
        pane, current = self.query_one(TextPane), self.query_one(Comparison).current
        lines: list[Line] = []
        if pane.tab == 0:
            lines = list(ending(self.outcome))
        elif current:
            lines = list(row_lines(current[1]))
        pane.show_lines(lines, stay=stay)

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """The step under the cursor."""
        if self.query_one(TextPane).tab == 1:
            self._show(stay=False)

    def on_rows_view_chosen(self, message: RowsView.Chosen) -> None:
        """Look at the step."""
        self.query_one(TextPane).tab = 1
        self._show(stay=False)

    def action_tab(self, step: int) -> None:
        """The other tab."""
        pane = self.query_one(TextPane)
        pane.tab = (pane.tab + step) % len(pane.tabs)
        self._show(stay=False)

    def action_pane(self, name: str) -> None:
        """Go to a pane."""
        self.query_one(f"#{name}", Widget).focus()

    def action_match(self, by: int) -> None:
        """The next or previous step that differs."""
        view = self.query_one(Comparison)
        for distance in range(1, len(view.rows) + 1):
            number, row = view.rows[(view.place + by * distance) % len(view.rows)]
            if not row.same:
                view.go_to(str(number))
                return
        self.notify("Nothing differs.")

    def action_edit(self) -> None:
        """Change the question."""
        self.dismiss(("edit", self.question))

    @work(group="dialogs", exclusive=True)
    async def action_answer(self) -> None:
        """Give the answer that the new run waits for, and run on."""
        names = unknown(self.outcome)
        if not names:
            self.notify("It waits for no answer that could be given.")
            return
        body = [
            Line(f"The recording does not know what {clip(names[0])} answers to this."),
            Line("JSON; as the answer of a model, its whole message.", "dim"),
        ]
        prompt = Prompt(f"Answer of {clip(names[0], 50)}", body, check=_json_fault)
        typed = await self.playhead.push_screen_wait(prompt)
        if typed is not None:
            answers = {**self.question.answers, names[0]: json.loads(typed)}
            self.dismiss(("run", replace(self.question, answers=answers)))

    def action_copy(self) -> None:
        """Copy both runs."""
        text = as_json(self.outcome)
        self.playhead.copy_to_clipboard(text)
        self.notify(f"Copied {size(len(text.encode()))}.", markup=False)

    def action_back(self) -> None:
        """Back to the playhead."""
        self.dismiss(None)


def _json_fault(text: str) -> str | None:
    try:
        json.loads(text)
    except ValueError as error:
        return f"Not JSON: {error}"
    return None
