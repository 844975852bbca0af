"""One invocation: header, waterfall, inspector, state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from playhead.model import InvocationDetail, TimelineRow
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Footer

from playhead_tui.actions.copy import as_json
from playhead_tui.drawing.document import Line, value_lines
from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.screens.polling import Failed, PollingScreen
from playhead_tui.timeline.folding import row_fails, row_matches
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.inspector import Inspector
from playhead_tui.widgets.invocation_header import InvocationHeader
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.text_pane import TextPane
from playhead_tui.widgets.waterfall import Waterfall

__all__ = ["InvocationScreen"]

WIDE = 110
"""Columns from which the inspector stands beside the timeline."""


class DetailRead(Message):
    """The source answered; None when no source has the invocation."""

    def __init__(self, detail: InvocationDetail | None) -> None:
        super().__init__()
        self.detail = detail

    def can_replace(self, message: Message) -> bool:
        """Only the newest state matters."""
        return isinstance(message, DetailRead)


class RawRead(Message):
    """A journal entry's raw content, or why it cannot be had."""

    def __init__(self, index: int, content: Any) -> None:
        super().__init__()
        self.index = index
        self.content = content


class InvocationScreen(PollingScreen):
    """Timeline and inspector side by side, or one above the other where it is narrow."""

    DEFAULT_CSS = """
    InvocationScreen #panes { layout: vertical; height: 1fr; }
    InvocationScreen #side { height: 1fr; border-top: solid $panel; }
    InvocationScreen Waterfall { height: 1fr; min-height: 4; }
    InvocationScreen #state { display: none; border-top: solid $panel; height: 40%; }
    InvocationScreen.stateful.show-state #state { display: block; }
    InvocationScreen.wide #panes { layout: horizontal; }
    InvocationScreen.wide Waterfall { width: 3fr; height: 100%; }
    InvocationScreen.wide #side { width: 2fr; height: 100%; border-top: none;
        border-left: solid $panel; }
    InvocationScreen.wide.stateful #state { display: block; }
    InvocationScreen.zoom-timeline #side { display: none; }
    InvocationScreen.zoom-inspector Waterfall { display: none; }
    InvocationScreen.zoom-inspector #state { display: none; }
    InvocationScreen.zoom-inspector #side, InvocationScreen.zoom-state #side { border: none; }
    InvocationScreen.zoom-state Waterfall { display: none; }
    InvocationScreen.zoom-state #inspector { display: none; }
    InvocationScreen.zoom-state #state { display: block; height: 1fr; border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("right_square_bracket", "tab(1)", "Next tab"),
        Binding("left_square_bracket", "tab(-1)", "Previous tab", show=False),
        Binding("plus,equals_sign", "zoom", "Zoom", show=False),
        Binding("x", "act", "Act"),
        Binding("slash", "filter", "Filter", show=False),
        Binding("e", "errors", "Errors only", show=False),
        Binding("1", "pane('timeline')", "Timeline", show=False),
        Binding("2", "pane('inspector')", "Inspector", show=False),
        Binding("3", "pane('state')", "State of the object", show=False),
        Binding("r", "replay", "Replay"),
        Binding("u", "parent", "Open the caller", show=False),
    ]
    FILTER_HINT = "words in name, type or error; rows above a match stay"
    SECONDS = 0.5

    def __init__(self, invocation_id: str, *, glyphs: Glyphs) -> None:
        super().__init__()
        self.invocation_id = invocation_id
        self.glyphs = glyphs
        self.detail: InvocationDetail | None = None
        self.held: InvocationDetail | None = None
        self.filter_text = ""
        self.errors_only = False
        self.zoomed: Literal["", "timeline", "inspector", "state"] = ""

    def compose(self) -> ComposeResult:
        """Header, chips, panes, notes, keys."""
        now = self.playhead.now
        yield InvocationHeader(self._crumbs(), now=now, glyphs=self.glyphs)
        yield Chips()
        with Container(id="panes"):
            yield Waterfall(now=now, glyphs=self.glyphs, widget_id="timeline")
            with Container(id="side"):
                yield Inspector(glyphs=self.glyphs, widget_id="inspector")
                yield TextPane("State", glyphs=self.glyphs, widget_id="state")
        notes = Notes(glyphs=self.glyphs)
        notes.id = "notes"
        yield notes
        yield Footer(show_command_palette=False)

    def _crumbs(self) -> list[str]:
        above = [s for s in self.playhead.screen_stack if isinstance(s, InvocationScreen)]
        return [s.detail.summary.target for s in above if s.detail and s is not self]

    def on_mount(self) -> None:
        """Show the id at once; the rest comes."""
        self.query_one(InvocationHeader).tell(self.invocation_id, None)
        self.waterfall.focus()
        self.set_interval(0.5, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        """Side by side, or one above the other."""
        self.set_class(event.size.width >= WIDE, "wide")

    def _tick(self) -> None:
        if self.detail and not self.detail.summary.ended and not self.held:
            self.waterfall.refresh()
            self.query_one(InvocationHeader).refresh()

    @property
    def waterfall(self) -> Waterfall:
        """The timeline."""
        return self.query_one(Waterfall)

    @property
    def inspector(self) -> Inspector:
        """What is known of its row."""
        return self.query_one(Inspector)

    @property
    def current(self) -> TimelineRow | None:
        """The row under the cursor."""
        row = self.waterfall.current
        return row.row if row else None

    def focus_rows(self) -> None:
        """Give the keys to the timeline."""
        self.waterfall.focus()

    # Reading.

    async def read(self) -> InvocationDetail | None:
        """Everything about the invocation."""
        return await self.playhead.source.invocation(self.invocation_id)

    def deliver(self, result: InvocationDetail | None) -> None:
        """Hand it to the handler."""
        self.post_message(DetailRead(result))

    def on_detail_read(self, message: DetailRead) -> None:
        """Show it, unless the view is held."""
        notes = list(self.playhead.notes)
        if message.detail is None:
            gone = f"No source has {self.invocation_id}: it may be too old, or not recorded."
            self.query_one(Notes).tell((*notes, gone))
            return
        same = message.detail == self.detail
        self.detail = message.detail
        if self.poller and self.detail.summary.ended:
            self.poller.seconds = 5.0
        self.query_one(Notes).tell((*notes, *self.detail.missing))
        if not same:
            self.show()

    def on_failed(self, message: Failed) -> None:
        """Keep what is on screen and say why it stands still."""
        self.query_one(Notes).tell((*self.playhead.notes, message.text))

    def show(self) -> None:
        """Show the newest state, or the held one."""
        detail = self.held or self.detail
        if detail is None:
            return
        self.query_one(InvocationHeader).tell(self.invocation_id, detail)
        live = not detail.summary.ended and self.held is None
        self.waterfall.show_timeline(
            detail.timeline, detail.attempts, live=live, keep=self._filter()
        )
        if detail.state:
            lines: list[Line] = []
            for key in sorted(detail.state):
                lines.append(Line(key, "accent"))
                lines += value_lines(detail.state[key], indent=2)
            self.query_one("#state", TextPane).show_lines(lines, stay=True)
        self.set_class(bool(detail.state), "stateful")
        self._tell_chips(len(detail.timeline))

    def _filter(self) -> Callable[[TimelineRow], bool] | None:
        if not self.filter_text and not self.errors_only:
            return None
        text, errors_only = self.filter_text, self.errors_only

        def keep(row: TimelineRow) -> bool:
            return row_matches(row, text) and (not errors_only or row_fails(row))

        return keep

    def _tell_chips(self, total: int) -> None:
        chips: list[tuple[str, str]] = []
        if self.filter_text:
            chips.append((f"/ {self.filter_text}", "primary"))
        if self.errors_only:
            chips.append(("errors only", "error"))
        tail = ""
        if chips:
            tail = f"{sum(row.match for row in self.waterfall.rows)} of {total}"
        if self.held and self.detail:
            new = len(self.detail.timeline) - len(self.held.timeline)
            chips.append((f"paused, +{max(0, new)}", "warning"))
        if self.waterfall.follow:
            chips.append(("following", "success"))
        self.query_one(Chips).tell(chips, tail)

    # What the panes say.

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Inspect the row under the cursor."""
        detail = self.held or self.detail
        if detail:
            self.inspector.inspect(self.current, detail)
            self._tell_chips(len(detail.timeline))

    def on_rows_view_chosen(self, message: RowsView.Chosen) -> None:
        """Open the invocation that the step called; else fold or unfold."""
        row = self.waterfall.current
        if row and row.row.step and row.row.step.child_id:
            self.playhead.open_invocation(row.row.step.child_id)
        elif row and row.has_children:
            if row.folded:
                self.waterfall.action_unfold()
            else:
                self.waterfall.action_fold()

    def on_inspector_raw_wanted(self, message: Inspector.RawWanted) -> None:
        """Read the raw entry in a worker."""
        self._read_raw(message.index)

    @work(group="raw")
    async def _read_raw(self, index: int) -> None:
        try:
            content = await self.playhead.source.payload(self.invocation_id, index)
        except Exception as error:
            content = f"Cannot be read: {error or type(error).__name__}"
        self.post_message(RawRead(index, content))

    def on_raw_read(self, message: RawRead) -> None:
        """Show it, if its row is still selected."""
        self.inspector.show_raw(message.index, message.content)

    # Keys.

    def set_filter(self, text: str) -> None:
        """Filter the timeline."""
        self.filter_text = text.strip()
        self.show()

    def action_filter(self) -> None:
        """Type a filter."""
        self.open_filter(self.filter_text)

    def action_errors(self) -> None:
        """Show only what failed or was tried again."""
        self.errors_only = not self.errors_only
        self.show()

    def action_hold(self) -> None:
        """Hold the view, or let it go on."""
        self.held = None if self.held else self.detail
        self.show()

    def action_follow(self) -> None:
        """Keep the cursor on the newest row."""
        self.waterfall.follow = 0 if self.waterfall.follow else 1
        self.show()

    def action_match(self, step: int) -> None:
        """Next or previous match; without a filter, of what failed."""
        rows = self.waterfall.rows
        filtering = bool(self.filter_text or self.errors_only)
        for distance in range(1, len(rows) + 1):
            row = rows[(self.waterfall.place + step * distance) % len(rows)]
            if row.match if filtering else row_fails(row.row):
                self.waterfall.follow = 0
                self.waterfall.go_to(row.row.key)
                return

    def action_tab(self, step: int) -> None:
        """Next or previous tab of the inspector."""
        self.inspector.action_tab(step)

    def action_pane(self, name: str) -> None:
        """Go to a pane; a zoomed one gives way."""
        pane = self.query_one(f"#{name}", Widget)
        if name == "state":
            if not self.has_class("stateful"):
                self.notify("This invocation has no state: only virtual objects and workflows do.")
                return
            self.add_class("show-state")
        if self.zoomed:
            self._zoom(name)
        pane.focus()

    def action_zoom(self) -> None:
        """Give the pane with the focus the whole room, or end that."""
        self._zoom("" if self.zoomed else (self.focused.id if self.focused else "") or "timeline")

    def _zoom(self, name: str) -> None:
        for pane in ("timeline", "inspector", "state"):
            self.set_class(pane == name, f"zoom-{pane}")
        self.zoomed = name  # type: ignore[assignment]

    def action_back(self) -> None:
        """Undo one layer: zoom, filter, errors only, hold, the state pane, this screen."""
        if self.zoomed:
            self._zoom("")
        elif self.filter_text:
            self.set_filter("")
        elif self.errors_only:
            self.action_errors()
        elif self.held:
            self.action_hold()
        elif self.waterfall.follow:
            self.action_follow()
        elif self.has_class("show-state"):
            self.remove_class("show-state")
            self.waterfall.focus()
        else:
            self.dismiss()

    def action_parent(self) -> None:
        """Open the invocation that called this one."""
        caller = self.detail.summary.invoked_by if self.detail else None
        if caller:
            self.playhead.open_invocation(caller)
        else:
            self.notify("Nothing called it: it came from outside.")

    def action_replay(self) -> None:
        """Replay it with today's code."""
        target = self.detail.summary.target if self.detail else self.invocation_id
        self.playhead.open_replay(self.invocation_id, target)

    def action_act(self) -> None:
        """Choose what to do with the invocation."""
        if self.detail:
            self.playhead.choose_action(
                self.detail.summary, self.current.step if self.current else None
            )

    def action_answer(self) -> None:
        """Answer the approval that it waits for."""
        self.playhead.answer(self.invocation_id)

    def action_copy(self) -> None:
        """Choose what to copy."""
        if self.detail:
            more: dict[str, tuple[str, Callable[[], str]]] = {
                "t": ("text of this tab", lambda: self.inspector.text)
            }
            row = self.current
            if row:
                what = row.step or row.span or row
                more["s"] = ("JSON of the selected row", lambda: as_json(what))
            self.playhead.choose_copy(self.detail.summary, more)
