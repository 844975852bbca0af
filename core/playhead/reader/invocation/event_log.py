"""All events of an invocation by time: of its journal, attempts, failures and spans."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from playhead.conventions import LIFECYCLE
from playhead.formatting import result_line, step_label
from playhead.model import InvocationDetail, Span, SpanEvent, Step, StepEvent

__all__ = ["EventKind", "LoggedEvent", "event_log"]

EventKind = Literal["invocation", "attempt", "journal", "failure", "span"]


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event."""

    at: datetime
    kind: EventKind
    """`failure` is what the server calls an event: a failed attempt with its error, or a pause."""
    text: str
    """In plain words; may contain what a model or a user wrote."""
    failed: bool = False
    index: int | None = None
    """Index of the journal entry that was appended."""


def event_log(detail: InvocationDetail) -> tuple[LoggedEvent, ...]:
    """Return the events, oldest first. Those without a time are left out.

    The server's events on its own spans are left out if the journal is there: they announce its
    entries.
    """
    row = detail.summary
    found = [
        LoggedEvent(row.created_at, "invocation", "created"),
        *_attempts(detail),
        *_journal(detail),
        *_span_events(detail),
        *_failures(detail),
    ]
    found.sort(key=lambda event: event.at)
    if row.completed_at:
        # The server keeps this time in whole milliseconds, and those of spans in microseconds.
        until = row.completed_at + timedelta(milliseconds=1)
        place = bisect_left(found, until, key=lambda event: event.at)
        failed = row.status != "succeeded"
        found.insert(place, LoggedEvent(row.completed_at, "invocation", row.status, failed))
    return tuple(found)


def _attempts(detail: InvocationDetail) -> Iterator[LoggedEvent]:
    for attempt in detail.attempts:
        name = f"attempt {attempt.number}"
        yield LoggedEvent(attempt.started_at, "attempt", f"{name} started")
        if attempt.ended_at:
            failed = attempt.outcome not in ("completed", "suspended")
            yield LoggedEvent(attempt.ended_at, "attempt", f"{name}: {attempt.outcome}", failed)


def _journal(detail: InvocationDetail) -> Iterator[LoggedEvent]:
    for step in detail.steps:
        name = step_label(step)
        if step.started_at and step.command_index is not None:
            yield LoggedEvent(step.started_at, "journal", f"{name} appended", index=step.index)
        if step.ended_at and step.notification_index is not None:
            failed = step.error is not None
            index = step.notification_index
            text = f"#{index} result of {name}{_value(step)}"
            yield LoggedEvent(step.ended_at, "journal", text, failed, index)
        elif step.ended_at and step.command_index is None and step.index >= 0:
            yield LoggedEvent(step.ended_at, "journal", f"{name} arrived", index=step.index)


def _value(step: Step) -> str:
    text = step.error or result_line(step)
    return f": {text}" if text else ""


def _failures(detail: InvocationDetail) -> Iterator[LoggedEvent]:
    for event in detail.events:
        yield _failure(event, "")
    for step in detail.steps:
        for event in step.events:
            yield _failure(event, f" at {step_label(step)}")


def _failure(event: StepEvent, where: str) -> LoggedEvent:
    code = f" [{event.code}]" if event.code else ""
    text = f"{event.kind}{code}{where}: {event.message}"
    return LoggedEvent(event.at, "failure", text, event.kind != "Paused")


def _span_events(detail: InvocationDetail) -> Iterator[LoggedEvent]:
    for span in detail.spans:
        for event in span.events:
            if not (detail.steps and event.name.startswith(LIFECYCLE)):
                failed = event.name == "exception"
                yield LoggedEvent(event.at, "span", _span_event_text(span, event), failed)


def _span_event_text(span: Span, event: SpanEvent) -> str:
    found = event.attributes
    words = (found.get("exception.type"), found.get("exception.message"))
    error = ": ".join(str(word) for word in words if word)
    return f"{event.name} in {span.name}{f': {error}' if error else ''}"
