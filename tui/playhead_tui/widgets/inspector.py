"""Details of the selected row of the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from playhead.formatting import size
from playhead.model import InvocationDetail, Span, TimelineRow
from playhead.reader.invocation.contents import left_out, whole_row
from textual.binding import Binding, BindingType
from textual.message import Message

from playhead_tui.drawing.document import Line, value_lines
from playhead_tui.drawing.glyphs import UNICODE, Glyphs
from playhead_tui.inspector.tabs import PAYLOAD, RAW, Tab, tabs_of
from playhead_tui.widgets.text_pane import TextPane

__all__ = ["Inspector", "ShownEntry"]

ENTRIES_KEPT = 8
"""Number of entries whose lines are kept: they are read from the journal each time otherwise."""


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """What is shown of the content of a journal entry."""

    lines: Sequence[Line]
    size: int | None
    """Length of bytes."""

    @classmethod
    def of(cls, content: object) -> ShownEntry:
        """Return the lines of a content, which ends with a note if they are not all."""
        length = len(content) if isinstance(content, bytes) else None
        return cls(tuple(value_lines(content, indent=2)), length)


class Inspector(TextPane):
    """Tabs of the selected row; stays on the tab of the same name from row to row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l,right", "tab(1)", "Next tab", show=False),
        Binding("h,left", "tab(-1)", "Previous tab", show=False),
        Binding("m", "all_messages", "Fold or show earlier messages", show=False),
    ]

    class RawWanted(Message):
        """Posted when the bytes of a journal entry, or its decoded content, are needed."""

        def __init__(self, entry: tuple[str, int], *, decoded: bool) -> None:
            super().__init__()
            self.entry = entry
            """Invocation id and journal index."""
            self.decoded = decoded

    class ContentsWanted(Message):
        """Posted when the contents of spans are needed that the outline of a trace left out."""

        def __init__(self, invocation_id: str, span_ids: Sequence[str]) -> None:
            super().__init__()
            self.invocation_id = invocation_id
            self.span_ids = span_ids

        def can_replace(self, message: Message) -> bool:
            """Keep only the newest one: other rows are no longer selected."""
            return isinstance(message, Inspector.ContentsWanted)

    def __init__(self, *, glyphs: Glyphs = UNICODE, widget_id: str | None = None) -> None:
        super().__init__("Overview", glyphs=glyphs, widget_id=widget_id)
        self._row: TimelineRow | None = None
        self._sections: list[Tab] = []
        self._wanted_tab = "Overview"
        self._raw: dict[tuple[str, int, bool], ShownEntry] = {}
        """What is shown of entries, by invocation id, journal index and whether decoded."""
        self._contents: dict[str, tuple[Span, Span]] = {}
        """The outlines of spans, and the spans as they are stored, of one invocation, by id."""
        self._wanted: dict[str, Span] = {}
        """The outlines whose contents are being read."""
        self._problem = ""
        """Why contents could not be read."""
        self.all_messages = False
        """Whether messages of earlier calls are shown again."""
        self._detail: InvocationDetail | None = None

    def on_unmount(self) -> None:
        """Let go of what is shown."""
        self._row = self._detail = None
        self._sections = []
        for kept in (self._raw, self._contents, self._wanted):
            kept.clear()

    def inspect(self, row: TimelineRow | None, detail: InvocationDetail) -> None:
        """Show this row; the scroll position is kept while it is the same row."""
        if row == self._row and self._sections:
            return
        stay = row is not None and self._row is not None and row.key == self._row.key
        if self._detail is None or self._detail.summary.id != detail.summary.id:
            self._contents.clear()
        self._row, self._detail = row, detail
        self._want_contents()
        self._show_sections(stay=stay)

    def _want_contents(self) -> None:
        """Have the contents of the row's spans read that are not known as they are now."""
        if self._row is None or self._detail is None:
            return
        needed = left_out(self._row, self._detail)
        self._wanted = {
            id_: span
            for id_, span in needed.items()
            if id_ not in self._contents or self._contents[id_][0] != span
        }
        for id_ in [id_ for id_ in self._contents if id_ in self._wanted or id_ not in needed]:
            del self._contents[id_]
        self._problem = ""
        if self._wanted:
            self.post_message(self.ContentsWanted(self._detail.summary.id, [*self._wanted]))

    def show_contents(self, invocation_id: str, spans: Sequence[Span], problem: str = "") -> None:
        """Show the contents of spans, if they are those of the selected row.

        Args:
            invocation_id: Their invocation.
            spans: The spans as they are stored; empty if they could not be read.
            problem: Why they could not be read.
        """
        if self._detail is None or self._detail.summary.id != invocation_id:
            return
        for span in spans:
            if (outline := self._wanted.pop(span.span_id, None)) is not None:
                self._contents[span.span_id] = (outline, span)
        self._problem = problem or ("The store no longer has it." if self._wanted else "")
        self._show_sections(stay=True)

    @property
    def row(self) -> TimelineRow | None:
        """The row, with the contents that were read."""
        return whole_row(self._row, self._read) if self._row else None

    @property
    def _read(self) -> dict[str, Span]:
        return {id_: read for id_, (_, read) in self._contents.items()}

    def _show_sections(self, *, stay: bool) -> None:
        row, detail = self._row, self._detail
        self._sections = []
        if row is not None and detail is not None:
            self._sections = tabs_of(
                row, detail, whole=self.all_messages, contents=self._read, problem=self._problem
            )
        names = [tab.name for tab in self._sections]
        self.tabs = names or ["Overview"]
        self.tab = names.index(self._wanted_tab) if self._wanted_tab in names else 0
        self._show_tab(stay=stay)

    def show_raw(self, entry: tuple[str, int], shown: ShownEntry, *, decoded: bool) -> None:
        """Show the bytes or the decoded content of an entry."""
        self._raw[*entry, decoded] = shown
        if len(self._raw) > ENTRIES_KEPT:
            del self._raw[next(iter(self._raw))]
        step = self._row.step if self._row else None
        id_ = self._detail.summary.id if self._detail else None
        if step and entry in ((id_, step.index), (id_, step.notification_index)):
            self._show_tab(stay=True)

    def action_tab(self, step: int) -> None:
        """Show the next or previous tab."""
        if self._sections:
            self.tab = (self.tab + step) % len(self._sections)
            self._wanted_tab = self._sections[self.tab].name
            self._show_tab(stay=False)

    def action_all_messages(self) -> None:
        """Fold the messages that an earlier call had, or show them."""
        self.all_messages = not self.all_messages
        if self._row and self._detail:
            self._show_sections(stay=False)

    def _show_tab(self, *, stay: bool) -> None:
        if not self._sections:
            self.show_lines([Line("Select a row of the timeline.", "dim")], stay=False)
            return
        tab = self._sections[self.tab]
        if tab.name in (RAW, PAYLOAD):
            self._show_raw(stay, decoded=tab.name == PAYLOAD)
        else:
            self.show_lines(list(tab.lines()), stay=stay)

    def _show_raw(self, stay: bool, *, decoded: bool) -> None:
        step = self._row.step if self._row else None
        if step is None or self._detail is None:
            return
        lines: list[Line] = []
        for index in (step.index, step.notification_index):
            if index is None:
                continue
            entry = (self._detail.summary.id, index)
            shown = self._raw.get((*entry, decoded))
            about = f"Journal entry #{index}"
            if shown and shown.size is not None and not decoded:
                about += f", {size(shown.size)}: a message of the service protocol (protobuf)"
            lines.append(Line(about, "dim"))
            if shown is not None:
                lines += shown.lines
            else:
                lines.append(Line("Reading ...", "dim", 2))
                self.post_message(self.RawWanted(entry, decoded=decoded))
            lines.append(Line(""))
        self.show_lines(lines, stay=stay)
