"""The header of an invocation: target, status, figures, last failure, pending answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from playhead.formatting import (
    attempts_line,
    clock,
    cost,
    count,
    duration,
    elapsed,
    origin_line,
    reason,
    seconds_between,
    times,
)
from playhead.model import Invocation, InvocationDetail, Step
from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from playhead_tui.drawing.cells import cell, clip, fit
from playhead_tui.drawing.glyphs import Glyphs
from playhead_tui.drawing.palette import Palette, palette_of
from playhead_tui.inspector.answers import pending_answers, promise_name, requested_tools

__all__ = ["InvocationHeader"]

ORIGIN_LENGTH = 14
"""Length of the id of the original invocation, in the header of a restarted one."""


class InvocationHeader(Widget):
    """Two lines, plus one for the last failure and one for a pending answer."""

    DEFAULT_CSS = """
    InvocationHeader { height: auto; background: $panel; }
    """

    def __init__(
        self,
        crumbs: Sequence[str],
        *,
        now: Callable[[], datetime],
        glyphs: Glyphs,
        can_answer: bool,
    ) -> None:
        super().__init__()
        self.can_answer = can_answer
        """Whether a key resolves the awakeable or promise here."""
        self.crumbs = tuple(crumbs)
        self.now = now
        self.glyphs = glyphs
        self._detail: InvocationDetail | None = None
        self._invocation_id = ""
        self._age = ""
        self.as_of: datetime | None = None
        """Time up to which durations grow, when the figures are older than the clock; else None."""

    def on_unmount(self) -> None:
        """Let go of the invocation."""
        self._detail = None

    def show_invocation(self, invocation_id: str, detail: InvocationDetail | None) -> None:
        """Show this state of the invocation."""
        height = len(self._lines(palette_of(self)))
        self._invocation_id, self._detail = invocation_id, detail
        changed = height != len(self._lines(palette_of(self)))
        self.refresh(layout=changed)

    def show_age(self, age: str) -> None:
        """Show how old the figures are; empty while they are fresh."""
        if age != self._age:
            self._age = age
            self.refresh()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """Return the number of lines."""
        return len(self._lines(palette_of(self)))

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        lines = self._lines(palette_of(self))
        segments = lines[y] if y < len(lines) else []
        return Strip(segments).adjust_cell_length(self.size.width).apply_style(self.rich_style)

    def _lines(self, palette: Palette) -> list[list[Segment]]:
        detail = self._detail
        if detail is None:
            return [[Segment(f" {clip(self._invocation_id)}", palette.strong)], []]
        lines = [self._first(detail, palette), self._second(detail, palette)]
        summary = detail.summary
        pending = pending_answers(detail)
        if (text := reason(summary)) and summary.status != "succeeded" and not pending:
            lines.append(self._reason(summary, text, palette))
        if pending:
            lines.append(self._pending(pending, palette))
        return lines

    def _reason(self, summary: Invocation, text: str, palette: Palette) -> list[Segment]:
        """Return why the invocation makes no progress, or its last failure."""
        failing = not summary.waiting or summary.waiting.kind in ("pause", "retry")
        mark = self.glyphs.failure if failing else self.glyphs.waits
        style = palette.bad if summary.ended else palette.warn
        text = text[:1].upper() + text[1:] if summary.waiting else text
        width = max(10, self.size.width - 4)
        return [
            Segment(f" {mark} ", style),
            cell(text, width, style, ellipsis=self.glyphs.ellipsis),
        ]

    def _first(self, detail: InvocationDetail, palette: Palette) -> list[Segment]:
        summary = detail.summary
        right = [Segment(f"{self.glyphs.status[summary.status]} {summary.status}",
                         palette.status(summary.status))]  # fmt: skip
        if summary.next_retry_at and not summary.ended:
            wait = seconds_between(self.now(), summary.next_retry_at)
            text = f"next retry in {duration(wait)}" if wait else "retrying now"
            right.append(Segment(f"  {text}", palette.warn))
        if summary.origin == "stored":
            right.append(Segment("  stored", palette.dim))
        right.append(Segment(" "))
        room = self.size.width - sum(segment.cell_length for segment in right)
        path = "".join(f"{clip(crumb)} {self.glyphs.crumb} " for crumb in self.crumbs)
        target = clip(summary.target)
        if len(path) + len(target) + 3 > room:
            path = f"{self.glyphs.ellipsis} {self.glyphs.crumb} " if path else ""
        first = Segment(f" {path}", palette.dim)
        name = Segment(fit(target, max(0, room - first.cell_length),
                           ellipsis=self.glyphs.ellipsis), palette.strong)  # fmt: skip
        return [first, name, *right]

    def _second(self, detail: InvocationDetail, palette: Palette) -> list[Segment]:
        summary = detail.summary
        dot = f" {self.glyphs.separator} "
        figures: list[tuple[str, str]] = [(self._age, "")] if self._age else []
        until = self.as_of or self.now()
        took = duration(seconds_between(summary.created_at, summary.completed_at or until))
        took = elapsed(summary) if summary.ended else took
        figures.append((took, ""))
        if parts := times(replace(summary, times=detail.times_at(until))):
            figures.append(("", parts))
        number, _, unit = attempts_line(summary).partition(" attempt")
        figures.append((number, f" attempt{unit}"))
        if summary.llm_calls is not None:
            figures.append((str(summary.llm_calls), " LLM call" + "s" * (summary.llm_calls != 1)))
        if summary.tokens and (summary.llm_calls or summary.tokens.total):
            total, used = count(summary.tokens.total), sum(len(n) + len(u) + 3 for n, u in figures)
            split = (
                f" tokens ({count(summary.tokens.input)} in, {count(summary.tokens.output)} out)"
            )
            fits = 1 + used + len(total) + len(split) + 3 <= self.size.width
            figures.append((total, split if fits else " tokens"))
        if summary.cost and summary.llm_calls:
            price = cost(summary.cost)
            figures.append(("", "cost unknown") if price == "?" else (price, ""))
        if summary.restarted_from:
            figures.append(("", f"restart of {origin_line(summary, ORIGIN_LENGTH)}"))
        figures.append((clock(summary.created_at)[:8], " started"))
        figures.append(("", clip(summary.id)))
        segments = [Segment(" ")]
        used = 1
        for number, unit in figures:
            length = len(number) + len(unit) + len(dot)
            if used + length > self.size.width:
                continue
            if used > 1:
                segments.append(Segment(dot, palette.faint))
            segments += [Segment(number, palette.text), Segment(unit, palette.dim)]
            used += length
        return segments

    def _pending(self, pending: Sequence[Step], palette: Palette) -> list[Segment]:
        waited = duration(seconds_between(pending[0].started_at, self.now()))
        name = promise_name(pending[0])
        what = f"promise {clip(name)}" if name else "an answer"
        text = f"Waiting for {what}{f' for {waited}' if waited else ''}"
        if len(pending) > 1:
            text += f", and {len(pending) - 1} more"
        head = Segment(f" {self.glyphs.waits} {text}", palette.warn + palette.strong)
        keys = [Segment("  a", palette.llm + palette.strong), Segment(" answer", palette.dim)]
        if not self.can_answer:
            keys = []
        room = self.size.width - head.cell_length - sum(k.cell_length for k in keys)
        if room < 0:
            return [head]  # the footer names the key
        tools = requested_tools(self._detail) if self._detail else ""
        about = Segment("")
        if tools and room > 12:
            text = f": {clip(tools)}"
            width = min(cell_len(text), room)
            about = cell(text, width, palette.text, ellipsis=self.glyphs.ellipsis)
        return [head, about, *keys]
