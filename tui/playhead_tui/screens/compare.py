"""The screen of two invocations side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from playhead.formatting import (
    attempts,
    cost,
    count,
    duration,
    elapsed,
    one_line,
    seconds_between,
    step_label,
    tokens,
)
from playhead.model import Invocation, Step
from textual.binding import Binding, BindingType

from playhead_tui.drawing.cells import fit
from playhead_tui.drawing.differences import difference_lines
from playhead_tui.drawing.document import Line, StyleName, heading, text_lines
from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.details import DetailScreen
from playhead_tui.screens.groups import Groups
from playhead_tui.widgets.group_list import Column

if TYPE_CHECKING:
    from playhead.reader.invocation.comparison import Comparison, StepPair

__all__ = ["CompareScreen", "names_of"]

ID_LENGTH = 12
"""Characters of an id in the title."""
MARKS = {"same": "=", "changed": "~", "only A": "-", "only B": "+", "not compared": "?"}


class CompareScreen(DetailScreen["StepPair"]):
    """Steps of two invocations, aligned by type and name; the pane shows what differs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "difference(1)", "Next difference"),
        Binding("N", "difference(-1)", "Previous difference", show=False),
        Binding("e", "different", "Differences only", show=False),
        Binding("o", "open_side('a')", "Open A", show=False),
        Binding("O", "open_side('b')", "Open B", show=False),
    ]
    NAME = "Compare"
    EMPTY = "The invocations have no steps that differ."
    DETAILS = "Differences"
    SECONDS = 2.0
    SHARE = 20.0

    def __init__(self, dashboard: Dashboard, a: str, b: str) -> None:
        super().__init__(dashboard)
        self.a = a
        self.b = b
        self.found: Comparison | None = None
        self.different_only = False
        self._went = False
        """Whether the cursor was moved to the first difference."""

    def columns(self) -> Sequence[Column[StepPair]]:
        """Return the columns."""

        def style_of(pair: StepPair) -> StyleName:
            return _STYLES[pair.verdict]

        return (
            Column("", 1, lambda r: MARKS[r.verdict], lambda r, p: getattr(p, style_of(r)),
                   importance=10),
            Column("STEP", 14, lambda r: step_label(r.step),
                   lambda r, p: p.dim if r.verdict == "same" else p.strong, flexible=True,
                   importance=9),
            Column("DIFFERS IN", 14, lambda r: ", ".join(r.differences),
                   lambda r, p: p.warn, flexible=True, importance=8),
            Column("TIME A", 7, lambda r: self._seconds(r.a, "a"),
                   lambda r, p: p.text, True, importance=5),
            Column("TIME B", 7, lambda r: self._seconds(r.b, "b"),
                   lambda r, p: p.text, True, importance=6),
            Column("TOKENS A", 8, lambda r: self._tokens(r.a, "a"),
                   lambda r, p: p.llm, True, importance=3),
            Column("TOKENS B", 8, lambda r: self._tokens(r.b, "b"),
                   lambda r, p: p.llm, True, importance=4),
        )  # fmt: skip

    def _copied(self, step: Step, side: Literal["a", "b"]) -> bool:
        """Return whether a restart copied the step of A or of B."""
        from playhead.reader.invocation.comparison import is_copied

        detail = getattr(self.found, side, None)
        return detail is not None and is_copied(step, detail.summary)

    def _seconds(self, step: Step | None, side: Literal["a", "b"]) -> str:
        if step is None:
            return ""
        if self._copied(step, side):
            return "copied"
        return duration(seconds_between(step.began_at, step.ended_at))

    def _tokens(self, step: Step | None, side: Literal["a", "b"]) -> str:
        if step is None or step.llm is None or self._copied(step, side):
            return ""
        return tokens(step.llm.tokens, unknown="")

    def key_of(self, group: StepPair) -> str:
        """Return the journal indexes of both steps."""
        return f"{group.a.index if group.a else ''} {group.b.index if group.b else ''}"

    @property
    def place(self) -> str:
        """Nothing: no row is kept."""
        return ""

    async def read_groups(self, filter_: str) -> Groups[StepPair]:
        """Read both invocations, and compare them."""
        import asyncio

        from playhead.reader.invocation.comparison import compare

        reader = self.dashboard.reader
        a, b = await asyncio.gather(reader.invocation(self.a), reader.invocation(self.b))
        if a is None or b is None:
            gone = self.a if a is None else self.b
            return Groups((), "", (f"Neither the server nor the store has {gone}.",))
        found = await asyncio.to_thread(compare, a, b)
        self.found = found
        wanted = filter_.lower()
        rows = [
            pair
            for pair in found.pairs
            if not (self.different_only and pair.verdict == "same")
            and wanted in step_label(pair.step).lower()
        ]
        number = len(found.different)
        title = names_of(a.summary, b.summary, self.dashboard.glyphs.ellipsis)
        title += f", {number} of {len(found.pairs)} steps differ"
        if found.not_compared:
            title += f", {len(found.not_compared)} not compared"
        if found.first:
            title += f", first {one_line(step_label(found.first.step), 40)}"
        if self.poller and a.summary.ended and b.summary.ended:
            self.poller.seconds = 30.0
        return Groups(rows, title, tuple(dict.fromkeys((*a.missing, *b.missing))))

    def shown(self) -> None:
        """Move the cursor to the first difference, once."""
        if not self._went and self.found:
            self._went = True
            if self.found.first:
                self.listing.go_to(self.key_of(self.found.first))

    def details(self, row: StepPair) -> Sequence[Line]:
        """Return the figures of both invocations, and what differs in the steps."""
        return tuple(self._lines(row))

    def _lines(self, row: StepPair) -> Iterator[Line]:
        from playhead.reader.invocation.comparison import field_text

        yield Line(step_label(row.step), "strong")
        if row.verdict == "only A" or row.verdict == "only B":
            yield Line(f"This step is in {row.verdict[-1]} only.", _STYLES[row.verdict])
            for field in ("input", "output", "error"):
                if text := field_text(row.step, field):
                    yield from heading(field)
                    yield from text_lines(text)
        elif row.verdict == "same":
            yield Line("The step is the same in both; times and ids are not compared.", "dim")
        elif row.verdict == "not compared":
            yield Line("A payload is too large to be compared; the rest is the same.", "warn")
        for field in row.differences:
            yield from heading(f"{field}: - A, + B")
            yield from difference_lines(field_text(row.a, field), field_text(row.b, field))
        if self.found:
            yield from heading("Both invocations")
            yield from _figures(self.found.a.summary, self.found.b.summary)

    def open_group(self, group: StepPair) -> None:
        """Open the step of B, or of A if only A has it."""
        if group.b:
            self.dashboard.open_invocation(self.b, group.b.index)
        elif group.a:
            self.dashboard.open_invocation(self.a, group.a.index)

    def action_difference(self, step: int) -> None:
        """Go to the next or previous step that differs."""
        rows = self.listing.rows
        for distance in range(1, len(rows) + 1):
            pair = rows[(self.listing.place + step * distance) % len(rows)]
            if pair.verdict != "same":
                self.listing.go_to(self.key_of(pair))
                return
        self.dashboard.notify("No step differs.")

    def action_different(self) -> None:
        """Show only the steps that differ, or all again."""
        self.different_only = not self.different_only
        self.refresh_now()

    def action_open_side(self, side: str) -> None:
        """Open one of the two invocations at the step."""
        pair = self.listing.current
        step = getattr(pair, side) if pair else None
        ident = self.a if side == "a" else self.b
        self.dashboard.open_invocation(ident, step.index if step else None)


_STYLES: dict[str, StyleName] = {
    "same": "dim", "changed": "warn", "only A": "bad", "only B": "good", "not compared": "warn",
}  # fmt: skip


def _figures(a: Invocation, b: Invocation) -> Iterator[Line]:
    rows = (
        ("", "A", "B"),
        ("status", a.status, b.status),
        ("duration", elapsed(a), elapsed(b)),
        ("attempts", attempts(a), attempts(b)),
        ("LLM calls", count(a.llm_calls), count(b.llm_calls)),
        ("tokens", tokens(a.tokens), tokens(b.tokens)),
        ("cost", cost(a.cost), cost(b.cost)),
    )
    for number, (name, left, right) in enumerate(rows):
        style: StyleName = "dim" if not number or left == right else "text"
        yield Line(f"{fit(name, 10)}{fit(left, 16)}{right}", style)
    yield Line(f"A  {a.target}  {a.id}", "dim")
    yield Line(f"B  {b.target}  {b.id}", "dim")


def names_of(a: Invocation, b: Invocation, ellipsis: str) -> str:
    """Name both by target, and by the part of their ids in which they differ."""
    pairs = enumerate(zip(a.id, b.id, strict=False))
    same = next((place for place, (x, y) in pairs if x != y), 0)
    start = 0 if same < ID_LENGTH - 2 else same - 2
    cut = ellipsis if start else ""
    first, second = (f"{cut}{one.id[start : start + ID_LENGTH]}" for one in (a, b))
    if a.target == b.target:
        return f"{a.target}  A {first}, B {second}"
    return f"A {a.target} {first}, B {b.target} {second}"
