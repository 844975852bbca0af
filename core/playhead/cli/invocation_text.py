"""One invocation as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from playhead.cli import words
from playhead.cli.output import paint
from playhead.cli.waterfall import waterfall

if TYPE_CHECKING:
    from rich.text import Text

    from playhead.model import InvocationDetail, StepEvent

__all__ = ["event_lines", "heading", "lines"]


def lines(
    detail: InvocationDetail, *, ascii_only: bool = False, width: int | None = None
) -> Iterator[Text]:
    """Header, attempts, timeline, LLM calls, errors, state; the timeline in `width` columns."""
    yield from _header(detail)
    if detail.attempts:
        yield from heading("Attempts")
        for attempt in detail.attempts:
            took = (
                "" if attempt.ended_at is None
                else words.duration((attempt.ended_at - attempt.started_at).total_seconds())
            )  # fmt: skip
            line = paint(f"{attempt.number:>3}  ")
            line.append_text(paint(f"{attempt.outcome:<12}", words.STYLES[attempt.outcome]))
            line.append_text(paint(f"{took:>8}  {words.one_line(attempt.error or '')}".rstrip()))
            yield line
    yield from heading("Timeline")
    if detail.timeline:
        since = detail.summary.created_at
        yield from waterfall(detail.timeline, since, ascii_only=ascii_only, width=width)
    else:
        yield paint("  The journal is empty: nothing has run yet, or it has been purged.", "dim")
    yield from _llm_calls(detail)
    yield from _errors(detail)
    if detail.state:
        yield from heading(f"State of {detail.summary.service}/{detail.summary.key}")
        for key, value in detail.state.items():
            yield paint(f"  {words.one_line(key)}: {words.one_line(words.pretty(value), 200)}")


def heading(text: str) -> Iterator[Text]:
    """An empty line and a title."""
    yield paint("")
    yield paint(text, "bold")


def _header(detail: InvocationDetail) -> Iterator[Text]:
    row = detail.summary
    title = paint(f"{row.target}  ", "bold")
    title.append_text(paint(row.status, words.STYLES[row.status]))
    if row.origin == "stored":
        title.append_text(paint("  (stored)", "yellow"))
    yield title
    facts = (
        ("id", row.id),
        ("created", f"{row.created_at:%Y-%m-%d %H:%M:%S} UTC, {words.age(row.created_at)} ago"),
        ("took", words.elapsed(row)),
        ("attempts", words.count(row.attempts)),
        ("LLM calls", f"{words.count(row.llm_calls)}, tokens in/out {words.tokens(row.tokens)}"),
        ("called by", row.invoked_by),
        ("deployment", row.deployment_id),
        ("trace", row.trace_id),
        ("next retry", f"{row.next_retry_at:%H:%M:%S} UTC" if row.next_retry_at else None),
        ("failure", words.one_line(row.last_failure or "")),
    )
    for name, value in facts:
        if value:
            yield paint(f"{name:<11} {words.one_line(value)}")


def _llm_calls(detail: InvocationDetail) -> Iterator[Text]:
    calls = [step for step in detail.steps if step.llm]
    if not calls:
        return
    yield from heading("LLM calls")
    for step in calls:
        llm = step.llm
        assert llm is not None
        asked = ", ".join(
            f"{call.name}({words.one_line(words.pretty(call.arguments), 60)})"
            for call in llm.tool_calls
        )
        says = " → ".join(filter(None, (words.one_line(llm.text, 100), asked)))
        yield paint(f"  #{step.index:<4} {llm.model or '?'}  {words.tokens(llm.tokens)}  {says}")


def _errors(detail: InvocationDetail) -> Iterator[Text]:
    found = [(f"#{s.index} {s.name}", event) for s in detail.steps for event in s.events]
    found += [("the handler", event) for event in detail.events]
    failures = [(f"#{s.index} {s.name}", s.error) for s in detail.steps if s.error]
    if not found and not failures:
        return
    yield from heading("Errors")
    for where, event in sorted(found, key=lambda pair: pair[1].at):
        yield from event_lines(where, event)
    for where, error in failures:
        yield paint(f"  {words.one_line(where)}: {words.one_line(error)} (terminal)", "red")


def event_lines(where: str, event: StepEvent) -> Iterator[Text]:
    """A failure or a pause, with its stack trace."""
    code = f" [{event.code}]" if event.code else ""
    yield paint(
        f"  {event.at:%H:%M:%S.%f}"[:-3]
        + f" {event.kind}{code} at {words.one_line(where)}: {words.one_line(event.message)}",
        "red" if event.kind != "Paused" else "magenta",
    )
    if event.stacktrace:
        for line in event.stacktrace.rstrip().splitlines():
            yield paint(f"      {line}", "dim")
