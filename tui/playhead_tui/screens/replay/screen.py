"""The replay screen: the current code, stepped along a journal by the playhead."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from playhead.replay import Stop, WhatIfQuestion
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from playhead_tui.drawing.python_source import SourceFile, short_path
from playhead_tui.inspector.stop import frames
from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.replay.messages import (
    BreakpointsFound,
    ReplayFailed,
    ReportReady,
    SessionReady,
    WhatIfFinished,
)
from playhead_tui.screens.replay.opening import ReplayOpeningScreen
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.filter_bar import FilterBar
from playhead_tui.widgets.key_footer import KeyFooter
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.replay.header import ReplayHeader
from playhead_tui.widgets.replay.journal_strip import JournalStrip
from playhead_tui.widgets.replay.panes import ReplayPanes
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.text_pane import TextPane

if TYPE_CHECKING:
    from playhead_tui.screens.replay.what_if import NextRun

__all__ = ["ReplayScreen"]


class ReplayScreen(ReplayOpeningScreen):
    """The strip of the journal on top; source, steps and details of the stop below it."""

    DEFAULT_CSS = """
    ReplayScreen #progress { height: 1fr; padding: 1 2; }
    ReplayScreen ReplayPanes, ReplayScreen JournalStrip { display: none; }
    ReplayScreen.ready ReplayPanes, ReplayScreen.ready JournalStrip { display: block; }
    ReplayScreen.ready #progress { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", show=False),
        Binding("right,l", "step(1)", "Step", key_display="h/l"),
        Binding("left,h", "step(-1)", "Step back", show=False),
        Binding("g,home", "edge(0)", "First stop", show=False),
        Binding("G,end", "edge(1)", "Last stop", show=False),
        Binding("n", "match(1)", "Next call"),
        Binding("N", "match(-1)", "Previous call", show=False),
        Binding("slash", "search", "Breakpoint"),
        Binding("e", "edit", "What-if"),
        Binding("right_square_bracket", "tab(1)", "Next tab"),
        Binding("left_square_bracket", "tab(-1)", "Previous tab", show=False),
        Binding("u", "frame(1)", "Calling frame", show=False),
        Binding("d", "frame(-1)", "Called frame", show=False),
        Binding("1", "pane('source')", "Source", show=False),
        Binding("2", "pane('stop')", "Stop details", show=False),
        Binding("3", "pane('steps')", "Steps", show=False),
        Binding("plus,equals_sign", "zoom", "Zoom", show=False),
        Binding("r", "run_again", "Run again", show=False),
        Binding("o", "other_app", "Choose app", show=False),
        Binding("y", "copy", "Copy", show=False),
    ]
    SEARCH_HINT = "Step name, #12 for a journal entry, or = expression, true in your frame"

    def __init__(self, dashboard: Dashboard, invocation_id: str, target: str) -> None:
        super().__init__(dashboard, invocation_id, target)
        self.level = 0
        """Number of the selected frame."""
        self.search = ""
        self.hits: frozenset[int] = frozenset()
        """Positions of the stops that match the search."""
        self._activity = ""

    def compose(self) -> ComposeResult:
        """Lay out the header, the strip, the chips, the panes, the notes and the keys."""
        yield ReplayHeader(glyphs=self.glyphs)
        yield JournalStrip(glyphs=self.glyphs)
        yield Chips(glyphs=self.glyphs)
        yield TextPane("Replay", glyphs=self.glyphs, widget_id="progress")
        yield ReplayPanes(glyphs=self.glyphs)
        yield Notes(glyphs=self.glyphs)
        yield KeyFooter()

    @property
    def panes(self) -> ReplayPanes:
        """The source, the steps and the details of the stop."""
        return self.query_one(ReplayPanes)

    # Opening.

    def on_session_ready(self, message: SessionReady) -> None:
        """Show the stops; after a new run the playhead returns to its place."""
        self.session = session = message.session
        session.position = max(0, min(self.resume_at, len(session.stops) - 1))
        self.panes.source.forget_files()
        self.add_class("ready")
        self.panes.steps.show_rows(session.stops)
        if not isinstance(self.focused, FilterBar):
            self.panes.details.focus()
        notes = [f"Blocked, without effect: {operation}" for operation in session.blocked]
        self.query_one(Notes).show_notes(notes)
        self.set_filter(self.search)

    def on_report_ready(self, message: ReportReady) -> None:
        """Show the verdict."""
        self.report = message.report
        self.show()

    def on_replay_failed(self, message: ReplayFailed) -> None:
        """Show the error; the stops stay on screen unless opening failed."""
        self._activity = ""
        if message.opening:
            self.show_error(message.error)
        else:
            self.query_one(Notes).show_notes(str(message.error).splitlines())
            self.show_header()

    # Showing.

    @property
    def stop(self) -> Stop | None:
        """The stop under the playhead."""
        return self.session.current if self.session else None

    def show(self) -> None:
        """Show the stop under the playhead."""
        session = self.session
        if session is None:
            return
        self.show_header()
        self.query_one(JournalStrip).show_stops(session.stops, session.position, self.hits)
        self.panes.show_stop(session, self.level, self.report, self.hits)
        self._show_source()
        chips: list[tuple[str, str]] = []
        tail = ""
        if self.search:
            chips.append((f"/ {self.search}", "primary"))
            tail = f"{len(self.hits)} of {len(session.stops)} stops"
        self.query_one(Chips).show_chips(chips, tail)

    def show_header(self) -> None:
        """Show the position of the playhead, and the verdict or the current activity."""
        place = ""
        if self.session:
            position, total = self.session.position, len(self.session.stops)
            place = ReplayHeader.place_of(self.stop, position, total)
        activity = self._activity
        if not activity and self.session and self.report is None and not self.error:
            activity = "Comparing with the journal"
        self.query_one(ReplayHeader).show_replay(
            target=self.target,
            app=self.app_location.app,
            place=place,
            report=self.report,
            activity=activity,
        )

    def _show_source(self) -> None:
        pane, stop = self.panes.source, self.stop
        shown = frames(stop) if stop else []
        if not shown:
            ended = stop is not None and stop.type == "Output"
            reason = "The handler returns here." if ended else "None of your code is on the stack."
            pane.show_source(SourceFile("", unreadable=reason), 0, "Source")
            return
        _, frame = shown[min(self.level, len(shown) - 1)]
        folder = self.app_location.app_dir
        title = f"{short_path(frame.file, folder)}:{frame.line}  {frame.function}"
        others = {f.line for _, f in shown if f.file == frame.file and f is not frame}
        pane.show_file(frame.file, folder, frame.line, title, others)

    # Moving.

    def go(self, position: int) -> None:
        """Move the playhead to a stop."""
        if self.session and self.session.stops:
            self.session.position = max(0, min(position, len(self.session.stops) - 1))
            self.level = 0
            self.show()

    def action_step(self, by: int) -> None:
        """Move the playhead by stops."""
        if self.session:
            self.go(self.session.position + by)

    def action_edge(self, end: int) -> None:
        """Move the playhead to the first or the last stop."""
        if self.session:
            self.go(end * len(self.session.stops))

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Move the playhead with the cursor of the list of steps."""
        place = self.panes.steps.place
        if self.session and self.session.stops and place != self.session.position:
            self.go(place)

    def on_journal_strip_picked(self, message: JournalStrip.Picked) -> None:
        """Move the playhead to the stop that was clicked."""
        self.go(message.position)

    def action_match(self, by: int) -> None:
        """Go to the next or previous breakpoint; without one, to an LLM call or a difference."""
        if not self.session:
            return
        stops, total = self.session.stops, len(self.session.stops)
        for distance in range(1, total + 1):
            place = (self.session.position + by * distance) % total
            if place in self.hits if self.search else _is_notable(stops[place]):
                self.go(place)
                return
        self.notify("No stop matches." if self.search else "No LLM calls and no differences.")

    def action_frame(self, by: int) -> None:
        """Select the next frame outward or inward, through all tasks."""
        if self.stop:
            self.level = max(0, min(self.level + by, len(frames(self.stop)) - 1))
            self.show()

    # Breakpoints.

    def action_search(self) -> None:
        """Open the line for a breakpoint."""
        if self.session and not self.query(FilterBar):
            bar = FilterBar(self.search, self.SEARCH_HINT)
            self.mount(bar, before=self.query_one(Notes))
            bar.focus()

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Mark the stops while typing; an expression is evaluated once it is complete."""
        if not message.text.startswith("="):
            self.set_filter(message.text)

    def on_filter_bar_closed(self, message: FilterBar.Closed) -> None:
        """Remove the line and go to the first match from here."""
        self.query(FilterBar).remove()
        self.panes.details.focus()
        self.set_filter(message.text)
        if self.session and self.search and self.session.position not in self.hits and self.hits:
            self.action_match(1)

    def set_filter(self, text: str) -> None:
        """Mark the stops that match."""
        self.search = text.strip()
        self.hits = frozenset()
        if self.session and self.search.startswith("="):
            self._evaluate(self.search)
        elif self.session and self.search:
            stops = enumerate(self.session.stops)
            self.hits = frozenset(place for place, stop in stops if _matches(stop, self.search))
        self.show()

    @work(group="evaluate", exclusive=True)
    async def _evaluate(self, search: str) -> None:
        assert self.replayer is not None
        assert self.session is not None
        try:
            hits = await self.replayer.hits(self.session, search[1:].strip())
            self.post_message(BreakpointsFound(search, hits))
        except Exception as error:
            self.post_message(ReplayFailed(error, opening=False))

    def on_breakpoints_found(self, message: BreakpointsFound) -> None:
        """Mark the stops if the search is still the same."""
        if self.session and message.search == self.search:
            stops = enumerate(self.session.stops)
            self.hits = frozenset(
                place for place, stop in stops if stop.command_index in message.hits
            )
            self.show()

    # What if.

    def action_edit(self) -> None:
        """Change the result of this step, and run the code with it."""
        self.ask_what_if(None)

    @work(group="dialogs", exclusive=True)
    async def ask_what_if(self, question: WhatIfQuestion | None) -> None:
        """Ask for a changed result, starting from the last question, and run the code with it."""
        from playhead_tui.actions.what_if import ask_what_if

        if self.session and self.replayer:
            plan = self.replayer.live_plan
            question = await ask_what_if(self.dashboard, self.session, plan, question)
            if question:
                self.run_what_if(question)

    def run_what_if(self, question: WhatIfQuestion) -> None:
        """Run the code with changed results, in a worker."""
        self._activity = "Running with the changed result"
        self.show_header()
        self._run_what_if(question)

    @work(group="what if", exclusive=True)
    async def _run_what_if(self, question: WhatIfQuestion) -> None:
        assert self.replayer is not None
        try:
            result = await self.replayer.what_if(question)
            self.post_message(WhatIfFinished(question, result))
        except Exception as error:
            self.post_message(ReplayFailed(error, opening=False))

    def on_what_if_finished(self, message: WhatIfFinished) -> None:
        """Show both runs side by side."""
        from playhead_tui.screens.replay.what_if import WhatIfScreen

        self._activity = ""
        self.show_header()
        screen = WhatIfScreen(self.dashboard, message.result, message.question, self.target)
        self.dashboard.push_screen(screen, self._after_what_if)

    def _after_what_if(self, following: NextRun | None) -> None:
        if following:
            step, question = following
            (self.ask_what_if if step == "edit" else self.confirm_what_if)(question)

    @work(group="dialogs", exclusive=True)
    async def confirm_what_if(self, question: WhatIfQuestion) -> None:
        """Run with another answer; ask again before steps run for real."""
        from playhead_tui.actions.what_if import confirmed

        if question.live and self.replayer:
            agreed = await confirmed(self.dashboard, question, self.replayer.live_plan)
            if agreed is None:
                return
            question = agreed
        self.run_what_if(question)

    # Other keys.

    def action_tab(self, step: int) -> None:
        """Show the next or previous tab."""
        self.panes.details.action_tab(step)

    def action_pane(self, name: str) -> None:
        """Focus a pane; if another one is zoomed, zoom this one instead."""
        self.panes.open_pane(name)

    def action_zoom(self) -> None:
        """Zoom the focused pane to the whole screen, or undo the zoom."""
        self.panes.toggle_zoom()

    @work(group="dialogs", exclusive=True)
    async def action_copy(self) -> None:
        """Show the texts to copy."""
        from playhead_tui.actions.what_if import choose_stop_copy

        if self.session:
            tab = self.panes.details.text
            await choose_stop_copy(
                self.dashboard,
                self.session,
                location=self.app_location,
                report=self.report,
                tab=tab,
            )

    def action_back(self) -> None:
        """Undo one layer: zoom, the list of steps, the breakpoint, this screen."""
        if self.panes.undo():
            return
        if self.search:
            self.set_filter("")
        else:
            self.dismiss()


def _is_notable(stop: Stop) -> bool:
    return stop.asks_model or stop.differs


def _matches(stop: Stop, search: str) -> bool:
    if search.startswith("#"):
        return search[1:] in (str(stop.journal_index), str(stop.notification_index))
    return search.casefold() in stop.title.casefold()
