"""The progress of an action on many invocations, with the outcome of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, get_args

from playhead.restate.bulk import Outcome, OutcomeState
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from playhead_tui.dialogs.dialog import Dialog, content
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line, StyleName

__all__ = ["BulkProgress", "Progress"]

LISTED = 500
"""Lines of outcomes."""
STYLES: Mapping[OutcomeState, StyleName] = {"failed": "bad", "unknown": "warn", "done": "text"}
TICK = 0.1


class Progress(Protocol):
    """An action on many invocations."""

    finished: bool

    @property
    def title(self) -> str:
        """What is done to how many."""
        ...

    @property
    def total(self) -> int:
        """Number of invocations."""
        ...

    @property
    def summary(self) -> str:
        """Number of outcomes of each kind."""
        ...

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """The outcomes so far."""
        ...

    @property
    def stop(self) -> Stoppable:
        """Stops what was not sent yet."""
        ...


class Stoppable(Protocol):
    """A flag, such as `asyncio.Event`."""

    def set(self) -> None:
        """Set the flag."""
        ...

    def is_set(self) -> bool:
        """Return whether it is set."""
        ...


class BulkProgress(Dialog):
    """How many are done, and the outcome of each; closing it does not stop the action."""

    DEFAULT_CSS = """
    BulkProgress #outcomes { height: auto; max-height: 14; scrollbar-size-vertical: 1; }
    BulkProgress #outcomes Static, BulkProgress #keys { height: auto; }
    BulkProgress.-short #outcomes { height: 1fr; max-height: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "close", "Close"),
        Binding("s", "stop", "Stop"),
        Binding("j,down", "move(1)", "Down", show=False),
        Binding("k,up", "move(-1)", "Up", show=False),
    ]

    def __init__(self, run: Progress) -> None:
        super().__init__(run.title)
        self.run_ = run
        self._shown = -1
        """Number of outcomes on screen."""

    def compose_content(self) -> ComposeResult:
        """Lay out the numbers, the outcomes and the keys."""
        yield Static("", id="summary", markup=False)
        with VerticalScroll(id="outcomes", classes="body", can_focus=False):
            yield Static("", markup=False)
        yield Static("", id="keys", markup=False)

    def on_mount(self) -> None:
        """Show the progress until the action is finished."""
        self._timer = self.set_interval(TICK, self._show)
        self._show()

    def _show(self) -> None:
        run = self.run_
        number = len(run.outcomes)
        if number != self._shown:
            self._shown = number
            summary = Line(f"{number} of {run.total}: {run.summary}", "strong")
            self.query_one("#summary", Static).update(content([summary]))
            lines = outcome_lines(run.outcomes)
            self.query_one("#outcomes Static", Static).update(content(lines, most=len(lines)))
        keys = "Enter closes." if run.finished else "s stops what was not sent; Esc hides this."
        if run.stop.is_set() and not run.finished:
            keys = "Stopping: waiting for what was sent ..."
        self.query_one("#keys", Static).update(content([Line(keys, "dim")]))
        if run.finished:
            self._timer.stop()

    def action_stop(self) -> None:
        """Send no further change."""
        self.run_.stop.set()
        self._show()

    def action_move(self, lines: int) -> None:
        """Scroll the outcomes."""
        self.query_one("#outcomes").scroll_relative(y=lines, animate=False)


def outcome_lines(outcomes: Sequence[Outcome]) -> list[Line]:
    """Return the outcomes, equal ones together, below what they have in common."""
    groups: dict[tuple[OutcomeState, str], list[Outcome]] = {}
    for outcome in outcomes:
        text = outcome.text.replace(outcome.id, "it")
        if outcome.new_id:
            text = text.partition(f" as {outcome.new_id}")[0]
        groups.setdefault((outcome.state, text), []).append(outcome)
    order = get_args(OutcomeState)
    lines: list[Line] = []
    for (state, text), found in sorted(
        groups.items(), key=lambda group: (order.index(group[0][0]) - 1) % len(order)
    ):
        lines.append(Line(f"{len(found)} {state}: {clip(text, 200)}", STYLES.get(state, "dim")))
        room = max(0, LISTED - len(lines))
        lines += [
            Line(f"{one.id}  {clip(one.target, 28)}", "dim", 2)
            if one.new_id is None
            else Line(f"{one.id} as {one.new_id}", "dim", 2)
            for one in found[:room]
        ]
        if len(found) > room:
            lines.append(Line(f"and {len(found) - room} more", "dim", 2))
    return lines
