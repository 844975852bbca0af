"""The screen of one invocation: header, timeline, inspector, state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, get_args

from playhead.model import InvocationDetail, TimelineRow
from playhead.reader.invocation.nested import CalledInvocation, called_id, with_called
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget

from playhead_tui.actions.copy import as_json
from playhead_tui.drawing.document import Line, value_lines
from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.invocation_reads import ContentsRead, InvocationReads, RawEntryRead
from playhead_tui.timeline.folding import opening_row, row_fails, row_matches
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.inspector import Inspector
from playhead_tui.widgets.invocation_header import InvocationHeader
from playhead_tui.widgets.key_footer import KeyFooter
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.text_pane import TextPane
from playhead_tui.widgets.waterfall import Waterfall

__all__ = ["InvocationScreen"]

WIDE = 110
"""Least width, in columns, that puts the inspector beside the timeline."""
Pane = Literal["timeline", "inspector", "state"]


class InvocationScreen(InvocationReads):
    """Timeline and inspector: side by side, or one above the other on narrow terminals."""

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
        Binding("space", "hold_view", "Hold view", show=False),
        Binding("x", "act", "Actions"),
        Binding("slash", "filter", "Filter", show=False),
        Binding("e", "errors", "Errors", show=False),
        Binding("1", "pane('timeline')", "Timeline", show=False),
        Binding("2", "pane('inspector')", "Inspector", show=False),
        Binding("3", "pane('state')", "State", show=False),
        Binding("r", "replay", "Replay"),
        Binding("m", "all_messages", "Fold or show earlier messages", show=False),
        Binding("v", "views", "Conversation, attempts, trace and other views", show=False),
        Binding("u", "parent", "Open caller or original", show=False),
    ]
    FILTER_HINT = "Words in name, type or error; the parents of a match stay visible"

    def __init__(
        self, dashboard: Dashboard, invocation_id: str, crumbs: Sequence[str] = ()
    ) -> None:
        """Create the screen.

        Args:
            dashboard: the app.
            invocation_id: the invocation to show.
            crumbs: targets of the invocations from which it was opened, outermost first.
        """
        super().__init__(dashboard, invocation_id)
        self.crumbs = crumbs
        self.filter_text = ""
        self.errors_only = False
        self.zoomed: Pane | None = None
        self._held_called: dict[str, CalledInvocation] = {}
        """The called invocations on screen while the view is held."""

    def compose(self) -> ComposeResult:
        """Lay out the header, the chips, the panes, the notes and the keys."""
        now, glyphs = self.dashboard.now, self.dashboard.glyphs
        can_answer = not self.dashboard.read_only
        yield InvocationHeader(self.crumbs, now=now, glyphs=glyphs, can_answer=can_answer)
        yield Chips(glyphs=glyphs)
        with Container(id="panes"):
            yield Waterfall(now=now, glyphs=glyphs, widget_id="timeline")
            with Container(id="side"):
                yield Inspector(glyphs=glyphs, widget_id="inspector")
                yield TextPane("State", glyphs=glyphs, widget_id="state")
        yield Notes(glyphs=glyphs)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Show the id at once; the rest appears once it has been read."""
        self.query_one(InvocationHeader).show_invocation(self.invocation_id, None)
        self.waterfall.focus()
        self.set_interval(0.5, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        """Put the panes side by side or one above the other."""
        self.set_class(event.size.width >= WIDE, "wide")

    def _tick(self) -> None:
        header = self.query_one(InvocationHeader)
        header.as_of = self.age.stale_since
        header.show_age(self.age.text("figures"))
        if self.detail and not self.detail.summary.ended and not self.held_detail:
            self.waterfall.refresh()
            self.query_one(InvocationHeader).refresh()

    @property
    def waterfall(self) -> Waterfall:
        """The timeline."""
        return self.query_one(Waterfall)

    @property
    def inspector(self) -> Inspector:
        """The details of the selected row."""
        return self.query_one(Inspector)

    @property
    def current(self) -> TimelineRow | None:
        """The row under the cursor."""
        row = self.waterfall.current
        return row.row if row else None

    def detail_of(self, row: TimelineRow | None) -> InvocationDetail | None:
        """Return the invocation that a row belongs to: this one, or one that it called."""
        if row is None or row.invocation_id is None:
            return self.held_detail or self.detail
        found = self._called.get(row.invocation_id)
        return found.detail if found else None

    @property
    def _called(self) -> dict[str, CalledInvocation]:
        held = self._held_called if self.held_detail else {}
        return {**self.called.known, **held}

    def focus_rows(self) -> None:
        """Move the focus back to the timeline."""
        self.waterfall.focus()

    def go_to_what_matters(self) -> None:
        """Move to the first failure, the last LLM call or the output, unless the cursor moved."""
        matters = opening_row(self.detail.timeline) if self.detail else None
        if matters is not None and not self.waterfall.place:
            self.waterfall.go_to(matters.key)

    def show(self) -> None:
        """Show the newest state, or the one at which the view was held."""
        detail = self.held_detail or self.detail
        if detail is None:
            return
        self.query_one(InvocationHeader).show_invocation(self.invocation_id, detail)
        live = not detail.summary.ended and self.held_detail is None
        called, expanded = self._called, self.waterfall.expanded
        rows = detail.timeline
        if expanded:
            rows = with_called(rows, self.invocation_id, called, expanded)
        shown = [called_id(row) for row in rows if row.key in expanded]
        self.want_called([id_ for id_ in shown if id_ is not None])
        attempts = {id_: one.detail.attempts for id_, one in called.items() if one.detail}
        self.waterfall.show_timeline(
            rows,
            {None: detail.attempts, **attempts},
            live=live,
            over=detail.ended_at,
            keep=self._filter(),
        )
        if detail.state:
            lines: list[Line] = []
            for key in sorted(detail.state):
                lines.append(Line(key, "accent"))
                lines += value_lines(detail.state[key], indent=2)
            self.query_one("#state", TextPane).show_lines(lines, stay=True)
        self.set_class(bool(detail.state), "stateful")
        self._show_chips()

    def _filter(self) -> Callable[[TimelineRow], bool] | None:
        if not self.filter_text and not self.errors_only:
            return None
        text, errors_only = self.filter_text, self.errors_only

        def keep(row: TimelineRow) -> bool:
            return (not errors_only or row_fails(row)) and (not text or row_matches(row, text))

        return keep

    def _show_chips(self) -> None:
        chips: list[tuple[str, str]] = []
        if self.filter_text:
            chips.append((f"/ {self.filter_text}", "primary"))
        if self.errors_only:
            chips.append(("errors only", "error"))
        tail = ""
        if chips:
            matching = sum(row.match for row in self.waterfall.rows)
            tail = f"{matching} of {len(self.waterfall.timeline)}"
        if self.held_detail and self.detail:
            new = len(self.detail.timeline) - len(self.held_detail.timeline)
            chips.append((f"held, +{max(0, new)}", "warning"))
        if self.waterfall.follow:
            chips.append(("following", "success"))
        self.query_one(Chips).show_chips(chips, tail)

    # Messages of the panes.

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Inspect the row under the cursor."""
        detail = self.detail_of(self.current) or self.held_detail or self.detail
        if detail:
            self.inspector.inspect(self.current, detail)
            self._show_chips()

    def on_waterfall_expanded(self, message: Waterfall.Expanded) -> None:
        """Show called invocations in place, or hide them."""
        self.show()

    def on_rows_view_chosen(self, message: RowsView.Chosen) -> None:
        """Open the invocation that the step called; fold or unfold any other row."""
        row = self.waterfall.current
        if row and row.row.step and row.row.step.child_id:
            self.dashboard.open_invocation(row.row.step.child_id)
        elif row and row.has_children:
            if row.folded:
                self.waterfall.action_unfold()
            else:
                self.waterfall.action_fold()

    def on_inspector_raw_wanted(self, message: Inspector.RawWanted) -> None:
        """Read the raw entry in a worker."""
        self.read_raw(message.entry, decoded=message.decoded)

    def on_inspector_contents_wanted(self, message: Inspector.ContentsWanted) -> None:
        """Read the contents of spans in a worker."""
        self.read_contents(message.invocation_id, message.span_ids)

    def on_contents_read(self, message: ContentsRead) -> None:
        """Show the contents if their row is still selected."""
        self.inspector.show_contents(message.invocation_id, message.spans, message.problem)

    def on_raw_entry_read(self, message: RawEntryRead) -> None:
        """Show the raw entry if its row is still selected."""
        self.inspector.show_raw(message.entry, message.shown, decoded=message.decoded)

    # Keys.

    def set_filter(self, text: str) -> None:
        """Filter the timeline by these words."""
        self.filter_text = text.strip()
        self.show()

    def action_filter(self) -> None:
        """Open the filter line."""
        self.open_filter(self.filter_text)

    def action_errors(self) -> None:
        """Show only rows that failed or were retried, or all rows again."""
        self.errors_only = not self.errors_only
        self.show()

    def action_hold_view(self) -> None:
        """Hold the view or let it continue; polling continues in any case."""
        self.held_detail = None if self.held_detail else self.detail
        self._held_called = dict(self.called.known) if self.held_detail else {}
        self.show()

    def action_follow(self) -> None:
        """Start or stop keeping the cursor on the newest row."""
        self.waterfall.follow = 0 if self.waterfall.follow else 1
        self.show()

    def action_match(self, step: int) -> None:
        """Go to the next or previous match; without a filter, to the next failed row."""
        rows = self.waterfall.rows
        filtering = bool(self.filter_text or self.errors_only)
        for distance in range(1, len(rows) + 1):
            row = rows[(self.waterfall.place + step * distance) % len(rows)]
            if row.match if filtering else row_fails(row.row):
                self.waterfall.follow = 0
                self.waterfall.go_to(row.row.key)
                return
        self.notify("No match." if filtering else "No row has failed.")

    def action_tab(self, step: int) -> None:
        """Show the next or previous tab of the inspector."""
        self.inspector.action_tab(step)

    def action_all_messages(self) -> None:
        """Fold the messages that an earlier call had, or show them."""
        self.inspector.action_all_messages()
        shown = "shown" if self.inspector.all_messages else "folded"
        self.notify(f"Messages that an earlier call had are {shown}.")

    def action_pane(self, name: Pane) -> None:
        """Focus a pane; if another one is zoomed, zoom this one instead."""
        if name == "state":
            if not self.has_class("stateful"):
                self.notify("No state: only virtual objects and workflows have state.")
                return
            self.add_class("show-state")
        if self.zoomed:
            self._zoom(name)
        pane = self.query_one(f"#{name}", Widget)
        pane.focus()
        self.call_after_refresh(lambda: self.has_room(pane) or self._zoom(name))

    def action_zoom(self) -> None:
        """Zoom the focused pane to the whole screen, or undo the zoom."""
        focused = self.focused.id if self.focused else None
        pane: Pane = next((pane for pane in get_args(Pane) if pane == focused), "timeline")
        self._zoom(None if self.zoomed else pane)

    def _zoom(self, zoomed: Pane | None) -> None:
        for pane in get_args(Pane):
            self.set_class(pane == zoomed, f"zoom-{pane}")
        self.zoomed = zoomed

    def action_back(self) -> None:
        """Undo one layer: zoom, filter, errors only, hold, following, state pane, screen."""
        if self.zoomed:
            self._zoom(None)
        elif self.filter_text:
            self.set_filter("")
        elif self.errors_only:
            self.action_errors()
        elif self.held_detail:
            self.action_hold_view()
        elif self.waterfall.follow:
            self.action_follow()
        elif self.has_class("show-state"):
            self.remove_class("show-state")
            self.waterfall.focus()
        else:
            self.dismiss()

    def action_parent(self) -> None:
        """Open the invocation that called this one, or that it is a restart of."""
        row = self.detail.summary if self.detail else None
        if row and (origin := row.invoked_by or row.restarted_from):
            self.dashboard.open_invocation(origin)
        else:
            self.notify("No caller: a client outside Restate started this invocation.")

    def action_views(self) -> None:
        """Show the whole conversation, the changes of state, or the calls."""
        from playhead_tui.screens.invocation_views import InvocationViews

        if detail := self.selected(self.detail):
            self.dashboard.push_screen(InvocationViews(self.dashboard, detail))

    def action_replay(self) -> None:
        """Replay the invocation that the row belongs to, with the current code."""
        detail = self.detail_of(self.current)
        if detail:
            self.dashboard.open_replay(detail.summary.id, detail.summary.target)
        else:
            self.dashboard.open_replay(self.invocation_id, self.invocation_id)

    def action_act(self) -> None:
        """Show the possible actions on the invocation that the row belongs to."""
        if detail := self.selected(self.detail_of(self.current)):
            self.choose_action(detail.summary, self.current.step if self.current else None)

    def action_answer(self) -> None:
        """Answer the awakeable or the promise that the row's invocation waits for."""
        row = self.current
        self.answer((row and row.invocation_id) or self.invocation_id)

    def action_copy(self) -> None:
        """Show the texts to copy, of the invocation that the row belongs to."""
        if detail := self.selected(self.detail_of(self.current)):
            more: dict[str, tuple[tuple[str, str], Callable[[], str]]] = {
                "t": (
                    ("Tab", "The text of this tab, as far as it is shown"),
                    lambda: self.inspector.text,
                )
            }
            row = self.current
            if row:
                read = self.inspector.row or row
                selected = read.step or read.span or read
                more["s"] = (("Row", "The selected row as JSON"), lambda: as_json(selected))
            self.choose_copy(detail.summary, more, row.step if row else None)
