"""One invocation as an HTML page that stands alone: no scripts, nothing loaded from elsewhere.

Jinja2 escapes every value, and text is cleaned of control and bidirectional characters first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from playhead import formatting
from playhead.model import Attempt, InvocationDetail, Message, Step, StepEvent, TimelineRow
from playhead.text import clean

__all__ = ["invocation_page"]

TEMPLATE = "invocation.html.jinja"
TICKS = 5


@dataclass(frozen=True, slots=True)
class _Bar:
    """A part of a timeline row, in percent of the width."""

    kind: str
    """`ran`, `gap` or `failed`."""
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class _Row:
    label: str
    depth: int
    kind: str
    state: str
    took: str
    note: str
    bars: tuple[_Bar, ...]
    anchor: str
    """Step that the row links to; empty without one."""


@dataclass(frozen=True, slots=True)
class _Part:
    kind: str
    text: str


def invocation_page(detail: InvocationDetail, *, now: datetime | None = None) -> str:
    """Return the page.

    Args:
        detail: The invocation.
        now: Time of the page; the current time by default.
    """
    now = now or datetime.now(UTC)
    environment = Environment(
        loader=PackageLoader("playhead.export"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "line": formatting.one_line,
        "lines": lambda text: clean(str(text), lines=True),
    }
    return environment.get_template(TEMPLATE).render(
        row=detail.summary,
        fields=list(_fields(detail)),
        attempts=detail.attempts,
        took=_took,
        timeline=_timeline(detail, now),
        ticks=_ticks(detail, now),
        calls=[step for step in detail.steps if step.llm],
        steps=detail.steps,
        label=formatting.step_label,
        clock=formatting.clock,
        tokens=formatting.tokens,
        size=formatting.size,
        parts=_parts,
        value=_value,
        errors=list(_errors(detail)),
        state={key: formatting.pretty(value) for key, value in detail.state.items()},
        missing=detail.missing,
        made=f"Made by Playhead {version('playhead')}, {formatting.date_time(now)}",
    )


def _took(item: Attempt | Step) -> str:
    return formatting.duration(formatting.seconds_between(item.started_at, item.ended_at))


def _fields(detail: InvocationDetail) -> Iterator[tuple[str, str]]:
    row = detail.summary
    found: tuple[tuple[str, str | None], ...] = (
        ("id", row.id),
        ("created", formatting.date_time(row.created_at)),
        ("duration", formatting.elapsed(row)),
        ("time", formatting.times(row)),
        ("attempts", formatting.attempts(row, suspensions=True)),
        ("LLM calls", formatting.count(row.llm_calls)),
        ("tokens", formatting.tokens(row.tokens)),
        ("restart of", formatting.origin_line(row)),
        ("called by", row.invoked_by),
        ("deployment", row.deployment_id),
        ("trace", row.trace_id),
        ("waiting", row.waiting.text if row.waiting else None),
        ("failure", row.last_failure),
    )
    for name, value in found:
        if value:
            yield name, value
    for offset in detail.clocks:
        yield "clock", formatting.clock_line(offset)


def _range(detail: InvocationDetail, now: datetime) -> tuple[datetime, float]:
    """Return the start of the timeline and its length in seconds."""
    start = detail.summary.created_at
    ends = [row.ended_at for row in detail.timeline if row.ended_at]
    starts = [row.started_at for row in detail.timeline if row.started_at]
    open_rows = any(row.started_at and not row.ended_at for row in detail.timeline)
    end = detail.ended_at or (now if open_rows else max(ends, default=now))
    start = min([start, *starts])
    end = max([end, *ends])
    return start, max((end - start).total_seconds(), 0.001)


def _timeline(detail: InvocationDetail, now: datetime) -> list[_Row]:
    start, length = _range(detail, now)
    end = detail.ended_at or now
    return [_row(row, start, length, end) for row in detail.timeline]


def _row(row: TimelineRow, start: datetime, length: float, end: datetime) -> _Row:
    bars: list[_Bar] = []

    def add(kind: str, begun: datetime, ended: datetime | None) -> None:
        left = (begun - start).total_seconds() / length * 100
        right = ((ended or end) - start).total_seconds() / length * 100
        left, right = min(max(left, 0.0), 100.0), min(max(right, 0.0), 100.0)
        # Even a moment is drawn.
        width = max(right - left, 0.2)
        bars.append(_Bar(kind, round(min(left, 100 - width), 3), round(width, 3)))

    if row.started_at is not None:
        add("ran", row.started_at, row.ended_at)
    for gap in row.gaps:
        add("gap", *gap)
    for failed in row.failed_tries:
        add("failed", *failed)
    seconds = formatting.seconds_between(row.started_at, row.ended_at)
    return _Row(
        row.label,
        row.depth,
        row.kind,
        row.state,
        formatting.duration(seconds if row.ran is None else row.ran),
        row.note or "",
        tuple(bars),
        f"step-{row.step.index}" if row.step is not None and row.step.index >= 0 else "",
    )


def _ticks(detail: InvocationDetail, now: datetime) -> list[tuple[float, str]]:
    _, length = _range(detail, now)
    return [
        (round(100 * n / TICKS, 1), formatting.duration(length * n / TICKS)) for n in range(TICKS)
    ]


def _parts(message: Message) -> Iterator[_Part]:
    """Yield the parts of a message as text."""
    for part in message.parts:
        kind = str(part.get("type"))
        match kind:
            case "text" | "reasoning":
                yield _Part(kind, str(part.get("content") or ""))
            case "tool_call":
                arguments = formatting.pretty(part.get("arguments"))
                yield _Part(kind, f"{part.get('name')}({arguments})")
            case "tool_call_response":
                response = formatting.pretty(part.get("response"))
                yield _Part(kind, f"{part.get('name') or part.get('id')}: {response}")
            case _:
                yield _Part("other", formatting.pretty(dict(part)))


def _value(value: Any) -> str:
    return "" if value is None else formatting.pretty(value)


def _errors(detail: InvocationDetail) -> Iterator[Mapping[str, Any]]:
    """Yield failures and pauses by time, and then terminal errors."""
    found: list[tuple[Step | None, StepEvent]] = [
        (step, event) for step in detail.steps for event in step.events
    ]
    found += [(None, event) for event in detail.events]
    for step, event in sorted(found, key=lambda pair: pair[1].at):
        yield {
            "at": formatting.clock(event.at),
            "kind": f"{event.kind} [{event.code}]" if event.code else event.kind,
            "where": formatting.step_label(step) if step else "the handler",
            "message": event.message,
            "stacktrace": event.stacktrace or "",
        }
    for step in detail.steps:
        if step.error:
            yield {
                "at": formatting.clock(step.ended_at),
                "kind": "terminal error",
                "where": formatting.step_label(step),
                "message": step.error,
                "stacktrace": "",
            }
