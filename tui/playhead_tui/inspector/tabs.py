"""The tabs of a row: which there are, and what each tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from playhead.formatting import clock, duration, seconds_between
from playhead.model import InvocationDetail, StepState, TimelineRow

from playhead_tui.drawing.document import Line, Tone, heading, pair, text_lines, value_lines
from playhead_tui.inspector import span as span_facts
from playhead_tui.inspector import step as step_facts
from playhead_tui.inspector.messages import conversation

__all__ = ["RAW", "Tab", "tabs_of"]

RAW = "Raw"
NOTES = {
    "orphan": "Orphan: the span above it was never recorded.",
    "cycle": "Cycle: the spans name each other as parents; shown once.",
    "interrupted": "Interrupted: the attempt ended before it did.",
    "replayed": "Replayed: answered from the journal; nothing ran again.",
}


@dataclass(frozen=True)
class Tab:
    """A name, and how to make its lines; made only when it is looked at."""

    name: str
    lines: Callable[[], Iterable[Line]]


def tabs_of(row: TimelineRow, detail: InvocationDetail) -> list[Tab]:
    """The tabs that have something to tell of this row, the broadest first, `Raw` last."""
    tabs = [Tab("Overview", lambda: _overview(row, detail))]
    step, span = row.step, row.span
    if step:
        llm = step.llm
        if llm:
            tabs.append(Tab("Messages", lambda: conversation(llm)))
        if step.input is not None or (step.tool and step.tool.arguments is not None):
            tabs.append(Tab("Input", lambda: step_facts.sent(step)))
        if step.output is not None:
            tabs.append(Tab("Output", lambda: value_lines(step.output)))
        if step.error or step.events:
            tabs.append(Tab("Error", lambda: step_facts.errors(step)))
        tabs.append(Tab(RAW, lambda: ()))
    if span:
        if span_facts.conversation(span):
            tabs.append(Tab("Messages", lambda: span_facts.messages(span_facts.conversation(span))))
        if span.status == "error" or any(event.name == "exception" for event in span.events):
            tabs.append(Tab("Error", lambda: span_facts.errors(span)))
        tabs.append(Tab("Attributes", lambda: span_facts.attributes(span)))
    return tabs


def _overview(row: TimelineRow, detail: InvocationDetail) -> Iterator[Line]:
    yield Line(row.label if not row.step else row.step.name or row.label, "strong")
    yield from times(row)
    yield Line("")
    if row.step:
        yield from step_facts.overview(row.step)
    if row.span:
        yield from span_facts.overview(row.span)
    if row.kind == "attempt":
        yield from attempt(row, detail)


def times(row: TimelineRow) -> Iterator[Line]:
    tones: dict[StepState, Tone] = {"failed": "bad", "retrying": "warn", "done": "good"}
    took = duration(seconds_between(row.started_at, row.ended_at))
    attempt = f", attempt {row.attempt}" if row.attempt is not None else ""
    yield Line(f"{row.state}{f' in {took}' if took else ''}{attempt}", tones.get(row.state, "wait"))
    began = clock(row.started_at) or "an unknown time"
    ended = clock(row.ended_at)
    yield Line(f"from {began} to {ended}" if ended else f"since {began}", "dim")
    if row.failed_tries:
        tried = sum(seconds_between(a, b) or 0 for a, b in row.failed_tries)
        whole = seconds_between(row.failed_tries[0][0], row.failed_tries[-1][1]) or 0
        count_ = len(row.failed_tries)
        words = "1 failed try" if count_ == 1 else f"{count_} failed tries"
        yield Line(f"{words}: {duration(tried)} trying, {duration(whole - tried)} backing off",
                   "warn")  # fmt: skip
    if row.note:
        for word in row.note.split(", "):
            yield Line(NOTES.get(word, word), "warn" if word in NOTES else "dim")


def attempt(row: TimelineRow, detail: InvocationDetail) -> Iterator[Line]:
    for attempt in detail.attempts:
        if attempt.number == row.attempt:
            yield pair("outcome", attempt.outcome)
            yield pair("span", attempt.span_id, "dim")
            if attempt.error:
                yield from heading("error")
                yield from text_lines(attempt.error, tone="bad", indent=2)
