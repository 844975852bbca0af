"""What the inspector tells of a row of the timeline, tab by tab."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from playhead.reader.models import (
    InvocationDetail,
    LlmCall,
    Message,
    Span,
    Step,
    StepState,
    TimelineRow,
)

from playhead_tui.document import Line, Tone, heading, pair, text_lines, value_lines
from playhead_tui.measure import clock, count, duration, seconds_between, size

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
    """The tabs that have something to tell of this row, most telling last but Raw."""
    tabs = [Tab("Overview", lambda: _overview(row, detail))]
    step, span = row.step, row.span
    if step:
        llm = step.llm
        if llm:
            tabs.append(Tab("Messages", lambda: _conversation(llm)))
        if step.input is not None or (step.tool and step.tool.arguments is not None):
            tabs.append(Tab("Input", lambda: _input(step)))
        if step.output is not None:
            tabs.append(Tab("Output", lambda: value_lines(step.output)))
        if step.error or step.events:
            tabs.append(Tab("Error", lambda: _errors(step)))
    if span:
        if span.status == "error" or any(event.name == "exception" for event in span.events):
            tabs.append(Tab("Error", lambda: _span_errors(span)))
        tabs.append(Tab("Attributes", lambda: _attributes(span)))
    if step:
        tabs.append(Tab(RAW, lambda: ()))
    return tabs


def _overview(row: TimelineRow, detail: InvocationDetail) -> Iterator[Line]:
    yield Line(row.label if not row.step else row.step.name or row.label, "strong")
    yield from _times(row)
    yield Line("")
    if row.step:
        yield from _step(row.step)
    if row.span:
        yield from _span(row.span)
    if row.kind == "attempt":
        yield from _attempt(row, detail)


def _times(row: TimelineRow) -> Iterator[Line]:
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


def _attempt(row: TimelineRow, detail: InvocationDetail) -> Iterator[Line]:
    for attempt in detail.attempts:
        if attempt.number == row.attempt:
            yield pair("outcome", attempt.outcome)
            yield pair("span", attempt.span_id, "dim")
            if attempt.error:
                yield from heading("error")
                yield from text_lines(attempt.error, tone="bad", indent=2)


def _step(step: Step) -> Iterator[Line]:
    for name, value in (
        ("calls", step.child_id), ("awakeable", step.awakeable_id), ("state key", step.state_key),
    ):  # fmt: skip
        if value:
            yield pair(name, value)
    if step.wake_at:
        yield pair("wakes at", clock(step.wake_at))
    if step.llm:
        yield from _llm_facts(step.llm)
    if step.tool:
        yield pair("tool", step.tool.name, "tool")
        yield from heading("arguments")
        yield from value_lines(_unpacked(step.tool.arguments), indent=2, limit=4000)
    if step.error:
        yield from heading("error")
        yield from text_lines(step.error, tone="bad", indent=2, limit=2000)
    elif step.events:
        yield from heading("last failure")
        yield from text_lines(step.events[-1].message, tone="warn", indent=2, limit=2000)
    if step.input is not None and not step.tool:
        yield from heading("input")
        yield from value_lines(step.input, indent=2, limit=4000)
    if step.llm and step.llm.text:
        yield from heading("answer")
        yield from text_lines(step.llm.text, indent=2, limit=4000)
    elif step.output is not None and not step.llm:
        yield from heading("output")
        yield from value_lines(step.output, indent=2, limit=4000)
    yield from heading("journal")
    entries = f"entry {step.index}"
    if step.notification_index is not None:
        entries += f", result in entry {step.notification_index}"
    bulk = "" if step.raw_length is None else f", {size(step.raw_length)}"
    yield Line(f"{step.type}, command {step.command_index}, {entries}{bulk}", "dim", 2)


def _llm_facts(llm: LlmCall) -> Iterator[Line]:
    yield pair("model", f"{llm.model or 'unknown'}  {llm.provider or ''}".rstrip(), "llm")
    if llm.tokens:
        yield pair("tokens", f"{count(llm.tokens.input)} in, {count(llm.tokens.output)} out")
    if llm.finish_reason:
        yield pair("finished", llm.finish_reason)
    for call in llm.tool_calls:
        yield pair("wants tool", f"{call.name} {_short(call.arguments)}", "tool")


def _conversation(llm: LlmCall) -> Iterator[Line]:
    yield from _llm_facts(llm)
    if llm.prompt is None:
        yield Line("")
        yield Line(
            "The prompt was not recorded: no span of this call is there, or its content", "dim"
        )
        yield Line("was not captured. The journal holds only the answer.", "dim")
    for message in llm.prompt or ():
        yield from _message(message)
    if llm.response:
        for message in llm.response:
            yield from _message(message)
        return
    yield from heading("assistant", "llm")
    if llm.text:
        yield from text_lines(llm.text, indent=2)
    for call in llm.tool_calls:
        yield from _tool_call(call.name, call.arguments)


def _message(message: Message) -> Iterator[Line]:
    yield from heading(message.role, "llm" if message.role == "assistant" else "accent")
    for part in message.parts:
        kind = part.get("type")
        if kind == "text":
            yield from text_lines(str(part.get("content", "")), indent=2)
        elif kind == "tool_call":
            yield from _tool_call(str(part.get("name", "")), part.get("arguments"))
        elif kind == "tool_call_response":
            yield Line(f"answer of {part.get('name') or part.get('id') or 'a tool'}", "tool", 2)
            yield from value_lines(_unpacked(part.get("result", part.get("response"))), indent=4)
        elif kind in ("thinking", "reasoning"):
            yield from text_lines(str(part.get("content", "")), tone="dim", indent=2)
        else:
            yield from value_lines(dict(part), indent=2)


def _tool_call(name: str, arguments: Any) -> Iterator[Line]:
    yield from text_lines(f"calls {name}", tone="tool", indent=2)
    if arguments not in (None, "", {}):
        yield from value_lines(_unpacked(arguments), indent=4)


def _unpacked(value: Any) -> Any:
    """Arguments come as JSON text from some models."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) < 200 else text[:199] + "…"


def _input(step: Step) -> Iterable[Line]:
    if step.input is not None:
        return value_lines(step.input)
    return value_lines(_unpacked(step.tool.arguments if step.tool else None))


def _errors(step: Step) -> Iterator[Line]:
    if step.error:
        yield Line("Result of the step, as the journal holds it", "dim")
        yield from text_lines(step.error, tone="bad", indent=2)
        yield Line("")
    if step.events:
        plural = "s" if len(step.events) > 1 else ""
        yield Line(f"{len(step.events)} failed attempt{plural} noted by the server", "dim")
    for event in reversed(step.events):
        code = f" {event.code}" if event.code is not None else ""
        yield Line("")
        yield Line(f"{clock(event.at)}  {event.kind}{code}", "warn")
        yield from text_lines(event.message, tone="bad", indent=2)
        if event.stacktrace:
            yield from text_lines(event.stacktrace, tone="dim", indent=2)


def _span(span: Span) -> Iterator[Line]:
    if span.status_message:
        yield from text_lines(span.status_message, tone="bad" if span.status == "error" else "text")
        yield Line("")
    yield pair("service", span.service_name)
    yield pair("scope", span.scope_name)
    yield pair("kind", span.kind)
    yield pair("trace", span.trace_id, "dim")
    yield pair("span", span.span_id, "dim")


def _span_errors(span: Span) -> Iterator[Line]:
    if span.status_message:
        yield from text_lines(span.status_message, tone="bad")
    for event in span.events:
        if event.name != "exception":
            continue
        told = event.attributes
        yield Line("")
        yield Line(f"{clock(event.at)}  {told.get('exception.type', 'exception')}", "warn")
        yield from text_lines(str(told.get("exception.message", "")), tone="bad", indent=2)
        trace = str(told.get("exception.stacktrace", ""))
        yield from text_lines(trace, tone="dim", indent=2)


def _attributes(span: Span) -> Iterator[Line]:
    for name in sorted(span.attributes):
        value = span.attributes[name]
        yield from text_lines(name, tone="accent")
        yield from value_lines(_unpacked(value), indent=2, limit=20_000)
    for event in span.events:
        yield from heading(f"event {event.name}  {clock(event.at)}")
        yield from value_lines(dict(event.attributes), indent=2, limit=20_000)
