"""The tabs of a timeline row and their lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from playhead.decode.spans import llm_call
from playhead.formatting import clock, duration, seconds_between, tries_line, try_lines
from playhead.model import InvocationDetail, LlmCall, Span, StepState, TimelineRow
from playhead.reader.invocation.contents import earlier_calls, left_out, whole_row
from playhead.reader.invocation.conversation import repeated_messages
from playhead.reader.invocation.llm_calls import is_model_call

from playhead_tui.drawing.document import Line, StyleName, heading, pair, text_lines, value_lines
from playhead_tui.inspector import span as span_lines
from playhead_tui.inspector import step as step_lines
from playhead_tui.inspector.messages import conversation, folded_messages

__all__ = ["PAYLOAD", "RAW", "Tab", "tabs_of"]

PAYLOAD = "Payload"
"""Tab of contents that are too large to be read with the journal."""
RAW = "Raw"
"""Tab of the bytes that the journal holds."""
MESSAGES = "Messages"
ERROR = "Error"
NOTES = {
    "orphan": "Orphan: its parent span was never recorded.",
    "parent still open": "Its parent span is still open, and arrives when it ends.",
    "cycle": "Cycle: spans name each other as parents; each is shown once.",
    "lost with the process": "Lost with the process: its end was not recorded, so it ends with its "
    "attempt.",
    "interrupted": "Interrupted: the attempt ended before the span did.",
    "replayed": "Replayed: answered from the journal, not run again.",
    "copied": "Copied from the original invocation by the restart.",
}


@dataclass(frozen=True)
class Tab:
    """The name of a tab, and a function that returns its lines when the tab is shown."""

    name: str
    lines: Callable[[], Iterable[Line]]


def tabs_of(
    row: TimelineRow,
    detail: InvocationDetail,
    *,
    whole: bool = False,
    contents: Mapping[str, Span] | None = None,
    problem: str = "",
) -> list[Tab]:
    """Return the tabs with content for this row, from `Overview` to a step's `Raw`.

    Args:
        row: The row.
        detail: Its invocation.
        whole: Whether messages that an earlier call had are shown, too.
        contents: Spans as they are stored, by id, for those that are outlines.
        problem: Why other contents could not be read.
    """
    read = contents or {}
    missing = bool(left_out(row, detail).keys() - read.keys())
    row = whole_row(row, read)
    tabs = [Tab("Overview", lambda: _overview(row, detail))]
    step, span = row.step, row.span
    if row.kind == "notice":
        return tabs

    def reading() -> Iterator[Line]:
        yield Line(problem or "Reading ...", "bad" if problem else "dim")

    def repeated(call: LlmCall) -> int:
        return 0 if whole else repeated_messages(call, earlier_calls(row, detail, read))

    if step:
        llm = step.llm
        if llm and missing:
            tabs.append(Tab(MESSAGES, reading))
        elif llm:
            tabs.append(Tab(MESSAGES, lambda: conversation(llm, repeated(llm))))
        if step.input is not None or (step.tool and step.tool.arguments is not None):
            tabs.append(Tab("Input", lambda: step_lines.inputs(step)))
        if step.output is not None:
            tabs.append(Tab("Output", lambda: value_lines(step.output)))
        if step.error or step.events:
            tabs.append(Tab(ERROR, lambda: step_lines.errors(step)))
        if step_lines.is_unread(step):
            tabs.append(Tab(PAYLOAD, lambda: ()))
        tabs.append(Tab(RAW, lambda: ()))
    if span:
        messages = span_lines.conversation(span)
        names = {tab.name for tab in tabs}
        if missing and is_model_call(span) and MESSAGES not in names:
            tabs.append(Tab(MESSAGES, reading))
        elif messages:
            call = llm_call(span)
            name = f"Span's {MESSAGES.lower()}" if MESSAGES in names else MESSAGES
            tabs.append(Tab(name, lambda: folded_messages(messages, repeated(call))))
        if span.status == "error" or any(event.name == "exception" for event in span.events):
            name = f"Span's {ERROR.lower()}" if ERROR in names else ERROR
            tabs.append(Tab(name, lambda: span_lines.errors(span)))
        lines = reading if missing else lambda: span_lines.attributes(span)
        tabs.append(Tab("Attributes", lines))
    return tabs


def _overview(row: TimelineRow, detail: InvocationDetail) -> Iterator[Line]:
    if row.kind == "notice":
        yield from text_lines(row.label, style="warn" if row.state == "failed" else "dim")
        return
    yield Line(row.label if not row.step else row.step.name or row.label, "strong")
    if row.invocation_id is not None:
        yield pair("Of", f"{detail.summary.target}  {row.invocation_id}")
    yield from _times(row)
    yield Line("")
    if row.step:
        yield from step_lines.overview(row.step)
    if row.span:
        yield from span_lines.overview(row.span)
    if row.kind == "attempt":
        yield from _attempt(row, detail)


def _times(row: TimelineRow) -> Iterator[Line]:
    styles: dict[StepState, StyleName] = {
        "failed": "bad", "retrying": "warn", "done": "good", "lost": "warn", "unfinished": "warn",
        "interrupted": "text",
    }  # fmt: skip
    seconds = seconds_between(row.started_at, row.ended_at)
    # The span of a step can end after the server has its result.
    took = duration(seconds if seconds is None or row.ran is None else max(seconds, row.ran))
    attempt = f", attempt {row.attempt}" if row.attempt is not None else ""
    yield Line(
        f"{row.state}{f' in {took}' if took else ''}{attempt}", styles.get(row.state, "wait")
    )
    started = clock(row.started_at) or "an unknown time"
    ended = clock(row.ended_at)
    if row.step and (len(row.step.tries) > 1 or row.step.waits or row.step.more_tries):
        # Before the times: on a small terminal, the first lines have to name the cause.
        yield Line(tries_line(row.step), "warn")
        for line in try_lines(row.step):
            yield Line(line, "dim", 2)
    yield Line(f"from {started} to {ended}" if ended else f"since {started}", "dim")
    if row.ran is not None and duration(row.ran) != took:
        yield Line(f"ran {duration(row.ran)} of it", "dim")
    if row.note:
        for word in row.note.split(", "):
            yield Line(NOTES.get(word, word), "warn" if word in NOTES else "dim")


def _attempt(row: TimelineRow, detail: InvocationDetail) -> Iterator[Line]:
    for attempt in detail.attempts:
        if attempt.number == row.attempt:
            yield pair("Outcome", attempt.outcome)
            yield pair("Span", attempt.span_id, "dim")
            if attempt.error:
                yield from heading("Error")
                yield from text_lines(attempt.error, style="bad", indent=2)
