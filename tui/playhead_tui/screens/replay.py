"""Replay: the playhead moves over a journal, under today's code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from playhead.replay import Stop, WhatIfQuestion
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer

from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.drawing.python_source import SourceFile, read_source
from playhead_tui.inspector.stop import frames
from playhead_tui.screens.replay_messages import (
    Fault,
    Found,
    Judged,
    Loaded,
    RanOn,
    SourceRead,
)
from playhead_tui.screens.replay_opening import OpeningScreen
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.filter_bar import FilterBar
from playhead_tui.widgets.journal_strip import JournalStrip
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.replay_header import ReplayHeader
from playhead_tui.widgets.replay_panes import ReplayPanes
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.text_pane import TextPane

if TYPE_CHECKING:
    from playhead_tui.screens.what_if import Next

__all__ = ["ReplayScreen"]


class ReplayScreen(OpeningScreen):
    """Strip on top; source and what is known of the stop below it."""

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
        Binding("N", "match(-1)", "Previous LLM call, difference, or breakpoint", show=False),
        Binding("slash", "search", "Break at"),
        Binding("e", "edit", "What if"),
        Binding("right_square_bracket", "tab(1)", "Tab"),
        Binding("left_square_bracket", "tab(-1)", "Previous tab", show=False),
        Binding("u", "frame(1)", "Caller's frame", show=False),
        Binding("d", "frame(-1)", "Called frame", show=False),
        Binding("1", "pane('source')", "Source", show=False),
        Binding("2", "pane('facts')", "What is known of the stop", show=False),
        Binding("3", "pane('steps')", "List of steps", show=False),
        Binding("plus,equals_sign", "zoom", "Zoom", show=False),
        Binding("r", "again", "Again, with the code as it is now", show=False),
        Binding("o", "other", "Another app or folder", show=False),
        Binding("y", "copy", "Copy", show=False),
    ]
    SEARCH_HINT = "a step's name; #12 for a journal entry; = expression, true in your frame"

    def __init__(self, invocation_id: str, target: str, *, glyphs: Glyphs) -> None:
        super().__init__(invocation_id, target, glyphs=glyphs)
        self.level = 0
        """Number of the selected frame."""
        self.search = ""
        self.hits: frozenset[int] = frozenset()
        """Positions at which the search holds."""
        self._files: dict[str, SourceFile] = {}
        self._reading: set[str] = set()
        self._busy = ""

    def compose(self) -> ComposeResult:
        """Header, strip, chips, panes, notes, keys."""
        yield ReplayHeader(glyphs=self.glyphs)
        yield JournalStrip(glyphs=self.glyphs)
        yield Chips()
        yield TextPane("Replay", glyphs=self.glyphs, widget_id="progress")
        yield ReplayPanes(glyphs=self.glyphs)
        notes = Notes(glyphs=self.glyphs)
        notes.id = "notes"
        yield notes
        yield Footer(show_command_palette=False)

    @property
    def panes(self) -> ReplayPanes:
        """Source, steps, and what is known of the stop."""
        return self.query_one(ReplayPanes)

    # Opening.

    def on_loaded(self, message: Loaded) -> None:
        """Show the stops; the playhead goes back to where it was before, if it was."""
        self.session = session = message.session
        session.position = max(0, min(self.resume_at, len(session.stops) - 1))
        self._files.clear()
        self.add_class("ready")
        self.panes.steps.show_rows(session.stops)
        if not isinstance(self.focused, FilterBar):
            self.panes.facts.focus()
        blocked = message.session.blocked
        self.query_one(Notes).tell([f"Blocked, nothing happened: {what}" for what in blocked])
        self.set_filter(self.search)

    def on_judged(self, message: Judged) -> None:
        """Show the verdict."""
        self.report = message.report
        self.show()

    def on_fault(self, message: Fault) -> None:
        """Say what went wrong; what is on screen stays when it was only a question."""
        self._busy = ""
        if message.opening:
            self.show_fault(message.error)
        else:
            self.query_one(Notes).tell(str(message.error).splitlines())
            self.tell_header()

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
        self.tell_header()
        self.query_one(JournalStrip).tell(session.stops, session.position, self.hits)
        self.panes.tell(session, self.level, self.report, self.hits)
        self._show_source()
        chips: list[tuple[str, str]] = []
        tail = ""
        if self.search:
            chips.append((f"/ {self.search}", "primary"))
            tail = f"{len(self.hits)} of {len(session.stops)} stops"
        self.query_one(Chips).tell(chips, tail)

    def tell_header(self) -> None:
        """Say where the playhead is, and the verdict or what is going on."""
        place = ""
        if self.session:
            position, total = self.session.position, len(self.session.stops)
            place = ReplayHeader.place_of(self.stop, position, total)
        busy = self._busy
        if not busy and self.session and self.report is None and not self.fault:
            busy = "comparing with the journal"
        self.query_one(ReplayHeader).tell(
            target=self.target, app=self.code.app, place=place, report=self.report, busy=busy
        )

    def _show_source(self) -> None:
        pane, stop = self.panes.source, self.stop
        shown = frames(stop) if stop else []
        if not shown:
            ended = stop is not None and stop.type == "Output"
            fault = "The handler returns." if ended else "No code of yours is on the stack here."
            pane.show_source(SourceFile("", fault=fault), 0, "Source")
            return
        _, frame = shown[min(self.level, len(shown) - 1)]
        title = f"{short_path(frame.file, self.code.folder)}:{frame.line}  {frame.function}"
        others = {f.line for _, f in shown if f.file == frame.file and f is not frame}
        file = self._files.get(frame.file)
        if file is None:
            pane.show_source(SourceFile(frame.file, fault="Reading ..."), frame.line, title)
            if frame.file not in self._reading:
                self._reading.add(frame.file)
                self._read(frame.file)
            return
        pane.show_source(file, frame.line, title, others)

    @work(group="source")
    async def _read(self, path: str) -> None:
        self.post_message(SourceRead(await asyncio.to_thread(read_source, path, self.code.folder)))

    def on_source_read(self, message: SourceRead) -> None:
        """Show it, if it is still wanted."""
        self._reading.discard(message.file.path)
        self._files[message.file.path] = message.file
        self._show_source()

    # Moving.

    def go(self, position: int) -> None:
        """Put the playhead on a stop."""
        if self.session and self.session.stops:
            self.session.position = max(0, min(position, len(self.session.stops) - 1))
            self.level = 0
            self.show()

    def action_step(self, by: int) -> None:
        """One stop on or back."""
        if self.session:
            self.go(self.session.position + by)

    def action_edge(self, end: int) -> None:
        """The first or the last stop."""
        if self.session:
            self.go(end * len(self.session.stops))

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """The list of steps moves the playhead as well."""
        place = self.panes.steps.place
        if self.session and self.session.stops and place != self.session.position:
            self.go(place)

    def on_journal_strip_picked(self, message: JournalStrip.Picked) -> None:
        """The stop that was clicked."""
        self.go(message.position)

    def action_match(self, by: int) -> None:
        """The next or previous breakpoint; without one, LLM call or difference."""
        if not self.session:
            return
        stops, total = self.session.stops, len(self.session.stops)
        for distance in range(1, total + 1):
            place = (self.session.position + by * distance) % total
            if place in self.hits if self.search else _special(stops[place]):
                self.go(place)
                return
        what = "stop matches" if self.search else "model is asked, and nothing differs"
        self.notify(f"No {what}.")

    def action_frame(self, by: int) -> None:
        """The next frame outwards or inwards, through all tasks."""
        if self.stop:
            self.level = max(0, min(self.level + by, len(frames(self.stop)) - 1))
            self.show()

    # Breakpoints.

    def action_search(self) -> None:
        """Type where to stop."""
        if self.session and not self.query(FilterBar):
            bar = FilterBar(self.search, self.SEARCH_HINT)
            self.mount(bar, before=self.query_one("#notes"))
            bar.focus()

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Mark the stops while typing; an expression waits until it is whole."""
        if not message.text.startswith("="):
            self.set_filter(message.text)

    def on_filter_bar_closed(self, message: FilterBar.Closed) -> None:
        """Take the line away and go to the first stop that matches from here on."""
        self.query(FilterBar).remove()
        self.panes.facts.focus()
        self.set_filter(message.text)
        if self.session and self.search and self.session.position not in self.hits and self.hits:
            self.action_match(1)

    def set_filter(self, text: str) -> None:
        """Mark the stops at which this holds."""
        self.search = text.strip()
        self.hits = frozenset()
        if self.session and self.search.startswith("="):
            self._evaluate(self.search)
        elif self.session and self.search:
            found = enumerate(self.session.stops)
            self.hits = frozenset(place for place, stop in found if _named(stop, self.search))
        self.show()

    @work(group="evaluate", exclusive=True)
    async def _evaluate(self, search: str) -> None:
        assert self.replayer is not None
        assert self.session is not None
        try:
            hits = await self.replayer.hits(self.session, search[1:].strip())
            self.post_message(Found(search, hits))
        except Exception as error:
            self.post_message(Fault(error, opening=False))

    def on_found(self, message: Found) -> None:
        """Mark them, if they are still wanted."""
        if self.session and message.search == self.search:
            found = enumerate(self.session.stops)
            self.hits = frozenset(
                place for place, stop in found if stop.command_index in message.hits
            )
            self.show()

    # What if.

    def action_edit(self) -> None:
        """Change the result of this step, and run on from it."""
        self.ask_what_if(None)

    @work(group="dialogs", exclusive=True)
    async def ask_what_if(self, question: WhatIfQuestion | None) -> None:
        """Ask for another result, from what was asked before, and run on from it."""
        from playhead_tui.actions.what_if import ask_what_if

        if self.session:
            question = await ask_what_if(self.playhead, self.session, question)
            if question:
                self.run_on(question)

    def run_on(self, question: WhatIfQuestion) -> None:
        """Run the code with changed results, in a worker."""
        self._busy = "running on from the changed result"
        self.tell_header()
        self._run_on(question)

    @work(group="what if", exclusive=True)
    async def _run_on(self, question: WhatIfQuestion) -> None:
        assert self.replayer is not None
        try:
            self.post_message(RanOn(question, await self.replayer.what_if(question)))
        except Exception as error:
            self.post_message(Fault(error, opening=False))

    def on_ran_on(self, message: RanOn) -> None:
        """Show both runs side by side."""
        from playhead_tui.screens.what_if import WhatIfScreen

        self._busy = ""
        self.tell_header()
        screen = WhatIfScreen(message.outcome, message.question, self.target, glyphs=self.glyphs)
        self.playhead.push_screen(screen, self._after_outcome)

    def _after_outcome(self, then: Next | None) -> None:
        if then:
            what, question = then
            (self.ask_what_if if what == "edit" else self.run_on)(question)

    # Other keys.

    def action_tab(self, step: int) -> None:
        """Next or previous tab."""
        self.panes.facts.action_tab(step)

    def action_pane(self, name: str) -> None:
        """Go to a pane; a zoomed one gives way."""
        self.panes.open_pane(name)

    def action_zoom(self) -> None:
        """Give the pane with the focus the whole room, or end that."""
        self.panes.toggle_zoom()

    @work(group="dialogs", exclusive=True)
    async def action_copy(self) -> None:
        """Choose what to copy."""
        from playhead_tui.actions.what_if import choose_stop_copy

        if self.session:
            tab = self.panes.facts.text
            await choose_stop_copy(
                self.playhead, self.session, code=self.code, report=self.report, tab=tab
            )

    def action_back(self) -> None:
        """Undo one layer: zoom, the list of steps, the breakpoint, this screen."""
        if self.panes.undo():
            return
        if self.search:
            self.set_filter("")
        else:
            self.dismiss()


def _special(stop: Stop) -> bool:
    return stop.asks_model or stop.differs


def _named(stop: Stop, search: str) -> bool:
    if search.startswith("#"):
        return search[1:] in (str(stop.journal_index), str(stop.notification_index))
    return search.casefold() in stop.title.casefold()


def short_path(path: str, folder: str) -> str:
    """The path from the app's folder when it is below, else its last three parts."""
    parts = path.replace("\\", "/")
    base = folder.replace("\\", "/").rstrip("/") + "/"
    if folder and parts.startswith(base):
        return parts[len(base) :]
    return "/".join(parts.split("/")[-3:])
