"""The progress of an action on many invocations, with the outcome of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from playhead.restate.bulk import Outcome
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from playhead_tui.dialogs.dialog import Dialog, content
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line

__all__ = ["BulkProgress", "Progress"]

SHOWN = 8
"""Outcomes on screen: failures first, then the last ones."""
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
    """How many are done, and the outcomes; closing it does not stop the action."""

    DEFAULT_CSS = """
    BulkProgress #outcomes { height: auto; max-height: 12; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "close", "Close"),
        Binding("s", "stop", "Stop"),
    ]

    def __init__(self, run: Progress) -> None:
        super().__init__(run.title)
        self.run_ = run

    def compose_content(self) -> ComposeResult:
        """Lay out the outcomes."""
        yield Static("", id="outcomes", markup=False)

    def on_mount(self) -> None:
        """Show the progress until the action is finished."""
        self._timer = self.set_interval(TICK, self._show)
        self._show()

    def _show(self) -> None:
        run = self.run_
        failed = [one for one in run.outcomes if one.state == "failed"]
        others = [one for one in run.outcomes if one.state != "failed"]
        shown = [*failed[:SHOWN], *others[-max(0, SHOWN - len(failed)) or len(others) :]]
        keys = "Enter closes." if run.finished else "s stops what was not sent; Esc hides this."
        if run.stop.is_set() and not run.finished:
            keys = "Stopping: waiting for what was sent ..."
        lines = [
            Line(f"{len(run.outcomes)} of {run.total}: {run.summary}", "strong"),
            *(
                Line(f"{one.state}  {clip(one.target, 28)}  {clip(one.text, 90)}",
                     "bad" if one.state == "failed" else "dim")
                for one in shown[:SHOWN]
            ),
            Line(keys),
        ]  # fmt: skip
        self.query_one("#outcomes", Static).update(content(lines))
        if run.finished:
            self._timer.stop()

    def action_stop(self) -> None:
        """Send no further change."""
        self.run_.stop.set()
        self._show()
