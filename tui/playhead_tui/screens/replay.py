"""Replay: the playhead moves over a journal, under today's code."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar, cast

from playhead.replay import Recording, Report, Session, Stop
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer

from playhead_tui.facts.progress import fault_lines, progress_lines
from playhead_tui.facts.stop import frames
from playhead_tui.glyphs import Glyphs
from playhead_tui.python_source import SourceFile, read_source
from playhead_tui.replaying import Replayer, WhatIf
from playhead_tui.screens.replay_messages import (
    Fault,
    Found,
    Judged,
    Loaded,
    RanOn,
    SourceRead,
    Stage,
)
from playhead_tui.source import Code
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.filter_bar import FilterBar
from playhead_tui.widgets.journal_strip import JournalStrip
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.replay_header import ReplayHeader
from playhead_tui.widgets.source_pane import SourcePane
from playhead_tui.widgets.stop_pane import StopPane
from playhead_tui.widgets.textpane import TextPane

if TYPE_CHECKING:
    from playhead_tui.app import PlayheadApp
    from playhead_tui.screens.outcome import Next

__all__ = ["ReplayScreen"]

WIDE = 110
"""Columns from which source and facts stand side by side."""


class ReplayScreen(Screen[None]):
    """Strip on top; source and what is known of the stop below it."""

    DEFAULT_CSS = """
    ReplayScreen #progress { height: 1fr; padding: 1 2; }
    ReplayScreen #panes { display: none; layout: vertical; height: 1fr; }
    ReplayScreen JournalStrip { display: none; }
    ReplayScreen.ready #panes, ReplayScreen.ready JournalStrip { display: block; }
    ReplayScreen.ready #progress { display: none; }
    ReplayScreen #source { height: 1fr; }
    ReplayScreen #facts { height: 1fr; border-top: solid $panel; }
    ReplayScreen.wide #panes { layout: horizontal; }
    ReplayScreen.wide #source { width: 11fr; height: 100%; }
    ReplayScreen.wide #facts { width: 9fr; height: 100%; border-top: none;
        border-left: solid $panel; }
    ReplayScreen.zoom-source #facts, ReplayScreen.zoom-facts #source { display: none; }
    ReplayScreen.zoom-facts #facts { border: none; }
    .ascii ReplayScreen #facts { border-top: ascii $panel; }
    .ascii ReplayScreen.wide #facts { border-top: none; border-left: ascii $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", show=False),
        Binding("right,l", "step(1)", "Step", key_display="←/→"),
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
        Binding("plus,equals_sign", "zoom", "Zoom", show=False),
        Binding("r", "again", "Again, with the code as it is now", show=False),
        Binding("o", "other", "Another app or folder", show=False),
        Binding("y", "copy", "Copy", show=False),
    ]
    SEARCH_HINT = "a step's name; #12 for a journal entry; = expression, true in your frame"

    def __init__(self, invocation_id: str, target: str, *, glyphs: Glyphs) -> None:
        super().__init__()
        self.invocation_id = invocation_id
        self.target = target
        self.glyphs = glyphs
        self.code = Code("")
        self.session: Session | None = None
        self.report: Report | None = None
        self.replayer: Replayer | None = None
        self.level = 0
        """Number of the selected frame."""
        self.search = ""
        self.hits: frozenset[int] = frozenset()
        """Positions at which the search holds."""
        self.fault: Exception | None = None
        self._stages: list[tuple[str, float]] = []
        self._files: dict[str, SourceFile] = {}
        self._reading: set[str] = set()
        self._zoomed = ""
        self._busy = ""
        self._notes: tuple[str, ...] = ()

    @property
    def playhead(self) -> PlayheadApp:
        """The app, with its type."""
        return cast("PlayheadApp", self.app)  # pyright: ignore[reportUnknownMemberType]

    def compose(self) -> ComposeResult:
        """Header, strip, chips, panes, notes, keys."""
        yield ReplayHeader(glyphs=self.glyphs)
        yield JournalStrip(glyphs=self.glyphs)
        yield Chips()
        yield TextPane("Replay", glyphs=self.glyphs, widget_id="progress")
        with Container(id="panes"):
            yield SourcePane(glyphs=self.glyphs, widget_id="source")
            yield StopPane(glyphs=self.glyphs, widget_id="facts")
        notes = Notes(glyphs=self.glyphs)
        notes.id = "notes"
        yield notes
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Open at once when the app is known, else ask."""
        self.set_interval(0.25, self._tick)
        self._tell_header()
        known = self.playhead.code
        if known.app:
            self.open(known)
        else:
            self.ask()

    def on_unmount(self) -> None:
        """End the process that holds the code."""
        if self.replayer:
            self.replayer.close()

    def on_resize(self, event: events.Resize) -> None:
        """Side by side, or one above the other."""
        self.set_class(event.size.width >= WIDE, "wide")

    # Opening.

    @work(group="dialogs", exclusive=True)
    async def ask(self) -> None:
        """Ask for the app; without an answer and without a replay, go back."""
        from playhead_tui.screens.code_dialog import CodeDialog

        dialog = CodeDialog(self.code if self.code.app else self.playhead.code)
        if await self.playhead.push_screen_wait(dialog):
            self.open(dialog.code)
        elif self.session is None and self.fault is None:
            self.dismiss()

    def open(self, code: Code) -> None:
        """Run this app on the recording, from the beginning."""
        self.code = self.playhead.code = code
        self.fault = self.report = None
        self._files.clear()
        self._stages.clear()
        self.remove_class("ready")
        self.query_one("#progress").focus()
        if self.replayer:
            self.replayer.close()
        self._open(code)

    @work(group="open", exclusive=True)
    async def _open(self, code: Code) -> None:
        try:
            self.post_message(Stage("Reading the journal"))
            recording = await self._fetch()
            self.post_message(Stage(f"{len(recording.entries)} entries. Importing {code.app}"))
            self.replayer = replayer = Replayer(code, recording)
            await replayer.start()
            self.post_message(Stage("Running the code against the journal"))
            self.post_message(Loaded(await replayer.session()))
            self.post_message(Judged(await replayer.report()))
        except Exception as error:
            self.post_message(Fault(error, opening=True))

    async def _fetch(self) -> Recording:
        fetch = self.playhead.connection.recording if self.playhead.connection else None
        if fetch is None:
            raise RuntimeError("There is neither a server nor a recording to read it from.")
        return await fetch(self.invocation_id)

    def on_stage(self, message: Stage) -> None:
        """Show how far it has come."""
        self._stages.append((message.what, time.monotonic()))
        self._tick()

    def _tick(self) -> None:
        if self._stages and not self.fault and not self.has_class("ready"):
            lines = list(progress_lines(self._stages, time.monotonic()))
            self.query_one("#progress", TextPane).show_lines(lines, stay=True)

    def on_loaded(self, message: Loaded) -> None:
        """Show the stops; the playhead goes back to where it was before, if it was."""
        before, self.session = self.session, message.session
        if before:
            self.session.position = max(0, min(before.position, len(self.session.stops) - 1))
        self.add_class("ready")
        if not isinstance(self.focused, FilterBar):
            self.query_one(StopPane).focus()
        self._tell_notes(f"Blocked, nothing happened: {what}" for what in message.session.blocked)
        self.set_filter(self.search)

    def on_judged(self, message: Judged) -> None:
        """Show the verdict."""
        self.report = message.report
        self.show()

    def on_fault(self, message: Fault) -> None:
        """Say what went wrong; what is on screen stays when it was only a question."""
        self._busy = ""
        if not message.opening:
            self._tell_notes(str(message.error).splitlines())
            self._tell_header()
            return
        self.fault = message.error
        self.remove_class("ready")
        pane = self.query_one("#progress", TextPane)
        lines = fault_lines(message.error, self.code.app, self.code.folder)
        pane.show_lines(list(lines), stay=False)
        pane.focus()
        self._tell_header()

    # Showing.

    @property
    def stop(self) -> Stop | None:
        """The stop under the playhead."""
        return self.session.current if self.session else None

    def show(self) -> None:
        """Show the stop under the playhead."""
        session, stop = self.session, self.stop
        if session is None:
            return
        self._tell_header()
        self.query_one(JournalStrip).tell(session.stops, session.position, self.hits)
        before = session.stops[session.position - 1] if session.position else None
        self.query_one(StopPane).tell(stop, before, self.level, self.report)
        self._show_source()
        chips: list[tuple[str, str]] = []
        tail = ""
        if self.search:
            chips.append((f"/ {self.search}", "primary"))
            tail = f"{len(self.hits)} of {len(session.stops)} stops"
        self.query_one(Chips).tell(chips, tail)

    def _tell_header(self) -> None:
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

    def _tell_notes(self, notes: object) -> None:
        self._notes = tuple(notes)  # type: ignore[arg-type]
        self.query_one(Notes).tell(self._notes)

    def _show_source(self) -> None:
        pane, stop = self.query_one(SourcePane), self.stop
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
        self.query_one(StopPane).focus()
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
            self.hits = frozenset(place for place, stop in found if stop.index in message.hits)
            self.show()

    # What if.

    def action_edit(self) -> None:
        """Change the result of this step, and run on from it."""
        self.ask_what_if(None)

    @work(group="dialogs", exclusive=True)
    async def ask_what_if(self, question: WhatIf | None) -> None:
        """Ask for another result, from what was asked before, and run on from it."""
        from playhead_tui.asking import ask_what_if

        if self.session:
            question = await ask_what_if(self.playhead, self.session, question)
            if question:
                self.run_on(question)

    def run_on(self, question: WhatIf) -> None:
        """Run the code with changed results, in a worker."""
        self._busy = "running on from the changed result"
        self._tell_header()
        self._run_on(question)

    @work(group="what if", exclusive=True)
    async def _run_on(self, question: WhatIf) -> None:
        assert self.replayer is not None
        try:
            self.post_message(RanOn(question, await self.replayer.what_if(question)))
        except Exception as error:
            self.post_message(Fault(error, opening=False))

    def on_ran_on(self, message: RanOn) -> None:
        """Show both runs side by side."""
        from playhead_tui.screens.outcome import OutcomeScreen

        self._busy = ""
        self._tell_header()
        screen = OutcomeScreen(message.outcome, message.question, self.target, glyphs=self.glyphs)
        self.playhead.push_screen(screen, self._after_outcome)

    def _after_outcome(self, then: Next | None) -> None:
        if then:
            what, question = then
            (self.ask_what_if if what == "edit" else self.run_on)(question)

    # Other keys.

    def action_again(self) -> None:
        """Run it again, with the code and the journal as they are now."""
        if self.code.app:
            self.open(self.code)

    def action_other(self) -> None:
        """Ask for another app."""
        self.ask()

    def action_tab(self, step: int) -> None:
        """Next or previous tab."""
        self.query_one(StopPane).action_tab(step)

    def action_pane(self, name: str) -> None:
        """Go to a pane; a zoomed one gives way."""
        if self._zoomed:
            self._zoom(name)
        self.query_one(f"#{name}", Widget).focus()

    def action_zoom(self) -> None:
        """Give the pane with the focus the whole room, or end that."""
        focused = self.focused.id if self.focused else None
        self._zoom("" if self._zoomed else focused or "source")

    def _zoom(self, name: str) -> None:
        for pane in ("source", "facts"):
            self.set_class(pane == name, f"zoom-{pane}")
        self._zoomed = name

    @work(group="dialogs", exclusive=True)
    async def action_copy(self) -> None:
        """Choose what to copy."""
        from playhead_tui.asking import choose_stop_copy

        if self.session:
            tab = self.query_one(StopPane).text
            await choose_stop_copy(
                self.playhead, self.session, code=self.code, report=self.report, tab=tab
            )

    def action_back(self) -> None:
        """Undo one layer: zoom, the breakpoint, this screen."""
        if self._zoomed:
            self._zoom("")
        elif self.search:
            self.set_filter("")
        else:
            self.dismiss()


def _special(stop: Stop) -> bool:
    return stop.asks_model or bool(stop.divergences) or stop.recorded_index is None


def _named(stop: Stop, search: str) -> bool:
    if search.startswith("#"):
        return search[1:] in (str(stop.entry), str(stop.result_entry))
    return search.casefold() in stop.title.casefold()


def short_path(path: str, folder: str) -> str:
    """The path from the app's folder when it is below, else its last three parts."""
    parts = path.replace("\\", "/")
    base = folder.replace("\\", "/").rstrip("/") + "/"
    if folder and parts.startswith(base):
        return parts[len(base) :]
    return "/".join(parts.split("/")[-3:])
