"""The screen of the views of a whole invocation, such as its conversation or its trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar

from playhead.model import InvocationDetail
from playhead.reader.invocation.attempt_contents import attempt_contents
from playhead.reader.invocation.call_tree import CallTree
from playhead.reader.invocation.event_log import event_log
from playhead.reader.invocation.key_changes import key_changes
from playhead.reader.invocation.span_tree import span_tree
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from playhead_tui.drawing.document import Line
from playhead_tui.inspector.views import (
    attempt_lines,
    call_lines,
    change_lines,
    event_lines,
    span_lines,
    turn_lines,
)
from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.polling import PollingScreen
from playhead_tui.sources.turns import Conversation, read_turns
from playhead_tui.widgets.invocation_header import InvocationHeader
from playhead_tui.widgets.key_footer import KeyFooter
from playhead_tui.widgets.notes import Notes
from playhead_tui.widgets.text_pane import TextPane

__all__ = ["InvocationViews"]

VIEWS = ("Conversation", "Attempts", "State changes", "Calls", "Trace", "Events")
MOST_LINES = 5000
"""Lines of a view; the commands have no limit."""
MOST_TURNS = 1000
"""LLM calls that the conversation shows, the last ones."""
UNUSED = ("hold_view", "follow", "match", "answer", "filter")
"""Actions of the base that have no meaning for a text."""


@dataclass(frozen=True)
class Whole:
    """An invocation, and its calls and its conversation once they were wanted."""

    detail: InvocationDetail | None
    calls: CallTree | None
    conversation: Conversation | None = None


class WholeRead(Message):
    """Posted when the invocation was read."""

    def __init__(self, whole: Whole) -> None:
        super().__init__()
        self.whole = whole

    def can_replace(self, message: Message) -> bool:
        """Keep only the newest state."""
        return isinstance(message, WholeRead)


class InvocationViews(PollingScreen):
    """Texts about a whole invocation, one for each tab."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,v", "back", "Back"),
        Binding("right_square_bracket,l,right,tab", "tab(1)", "Next view"),
        Binding("left_square_bracket,h,left,shift+tab", "tab(-1)", "Previous view", show=False),
        Binding("1", "view(0)", "Conversation", show=False),
        Binding("2", "view(1)", "Attempts", show=False),
        Binding("3", "view(2)", "State changes", show=False),
        Binding("4", "view(3)", "Calls", show=False),
        Binding("5", "view(4)", "Trace", show=False),
        Binding("6", "view(5)", "Events", show=False),
        Binding("y", "copy", "Copy"),
    ]
    SECONDS = 2.0

    def __init__(self, dashboard: Dashboard, detail: InvocationDetail) -> None:
        super().__init__(dashboard)
        self.detail = detail
        self.calls: CallTree | None = None
        self.conversation: Conversation | None = None

    def compose(self) -> ComposeResult:
        """Lay out the header, the text, the notes and the keys."""
        glyphs = self.dashboard.glyphs
        yield InvocationHeader((), now=self.dashboard.now, glyphs=glyphs, can_answer=False)
        pane = TextPane(VIEWS[0], glyphs=glyphs)
        pane.tabs = VIEWS
        yield pane
        yield Notes(glyphs=glyphs)
        yield KeyFooter()

    @property
    def pane(self) -> TextPane:
        """The text."""
        return self.query_one(TextPane)

    def on_mount(self) -> None:
        """Show what is known, and read the rest."""
        self.pane.focus()
        self._show(stay=False)
        self.start_polling()

    def on_unmount(self) -> None:
        """Let go of the invocation."""
        self.detail = replace(self.detail, steps=(), spans=(), timeline=())
        self.calls = self.conversation = None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the actions of the base that have no meaning here."""
        return action not in UNUSED

    def focus_rows(self) -> None:
        """Move the focus to the text."""
        self.pane.focus()

    async def read(self) -> Whole:
        """Read the invocation, and its calls while they are shown."""
        reader, id_ = self.dashboard.reader, self.detail.summary.id
        calls = await reader.calls(id_) if VIEWS[self.pane.tab] == "Calls" else None
        detail = await reader.invocation(id_, outline=True)
        if detail is None or VIEWS[self.pane.tab] != "Conversation":
            return Whole(detail, calls)
        return Whole(detail, calls, await read_turns(reader, detail, MOST_TURNS))

    def deliver(self, result: Whole) -> None:
        """Post the invocation to the handler."""
        self.post_message(WholeRead(result))

    def on_whole_read(self, message: WholeRead) -> None:
        """Show what has changed."""
        whole = message.whole
        before = (self.detail, self.calls, self.conversation)
        self.detail = whole.detail or self.detail
        self.calls = whole.calls or self.calls
        self.conversation = whole.conversation or self.conversation
        missing = self.calls.missing if self.calls else ()
        sentences = dict.fromkeys((*self.dashboard.notes, *self.detail.missing, *missing))
        self.query_one(Notes).show_notes(tuple(sentences))
        if before != (self.detail, self.calls, self.conversation):
            self._show(stay=True)

    def _show(self, *, stay: bool) -> None:
        detail = self.detail
        self.query_one(InvocationHeader).show_invocation(detail.summary.id, detail)
        reading = [Line("Reading ...", "dim")]
        match VIEWS[self.pane.tab]:
            case "Conversation":
                known = self.conversation
                lines = list(turn_lines(known.turns, known.before)) if known else reading
            case "Attempts":
                lines = self._first(attempt_lines(attempt_contents(detail)))
            case "State changes":
                lines = list(change_lines(key_changes(detail)))
            case "Trace":
                lines = self._first(span_lines(span_tree(detail)))
            case "Events":
                lines = self._first(event_lines(event_log(detail)))
            case _:
                lines = list(call_lines(self.calls)) if self.calls else reading
        self.pane.show_lines(lines, stay=stay)

    def _first(self, lines: Iterator[Line]) -> list[Line]:
        """Return as many lines as are quick to draw, and say so."""
        shown = list(islice(lines, MOST_LINES))
        if next(lines, None) is not None:
            view = VIEWS[self.pane.tab].lower()
            command = f"playhead show {self.detail.summary.id} --view {view}"
            shown.append(Line(f"The rest is not shown; `{command}` writes all.", "warn"))
        return shown

    def action_tab(self, step: int) -> None:
        """Show the next or the previous view."""
        self.action_view((self.pane.tab + step) % len(VIEWS))

    def action_view(self, place: int) -> None:
        """Show a view."""
        self.pane.tab = place
        self._show(stay=False)
        self.refresh_now()

    def action_copy(self) -> None:
        """Copy the text of the view."""
        self.dashboard.copy_text(self.pane.text)

    def action_back(self) -> None:
        """Close the screen."""
        self.dismiss()
