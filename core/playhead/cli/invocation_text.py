"""One invocation as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from playhead import formatting
from playhead.cli.output import STYLES, paint
from playhead.cli.waterfall import waterfall

if TYPE_CHECKING:
    from rich.text import Text

    from playhead.model import Attempt, InvocationDetail, StepEvent
    from playhead.reader.invocation.descendants import InvocationTree

__all__ = ["event_lines", "field", "heading", "lines", "tree_lines"]

ARGUMENTS_LENGTH = 60
ANSWER_LENGTH = 100
STATE_LENGTH = 200


def lines(
    detail: InvocationDetail, *, ascii_only: bool = False, width: int | None = None
) -> Iterator[Text]:
    """Yield header, attempts, timeline, LLM calls, errors and state.

    Args:
        detail: The invocation.
        ascii_only: Draw the timeline with ASCII characters only.
        width: Maximum number of columns for the timeline; None for no limit.
    """
    yield from _header(detail)
    if detail.attempts:
        yield from heading("Attempts")
        yield from map(_attempt, detail.attempts)
    yield from heading("Timeline")
    if detail.timeline:
        since = detail.summary.created_at
        yield from waterfall(
            detail.timeline, since, ascii_only=ascii_only, width=width, over=detail.ended_at
        )
    else:
        yield paint(
            "  The journal is empty: no attempt has started, or the server has deleted it.",
            "dim",
        )
    yield from _llm_calls(detail)
    yield from _errors(detail)
    if detail.state:
        yield from heading(f"State of {detail.summary.service}/{detail.summary.key}")
        for key, value in detail.state.items():
            text = formatting.one_line(formatting.pretty(value), STATE_LENGTH)
            yield paint(f"  {formatting.one_line(key)}: {text}")


def tree_lines(
    tree: InvocationTree, *, ascii_only: bool = False, width: int | None = None
) -> Iterator[Text]:
    """Yield header, sums, timeline and errors of an invocation and all that it called.

    Args:
        tree: The invocations.
        ascii_only: Draw the timeline with ASCII characters only.
        width: Maximum number of columns for the timeline; None for no limit.
    """
    root = tree.root
    yield from _header(root)
    if tree.called:
        noun = "invocation" if len(tree.called) == 1 else "invocations"
        parts = [f"{len(tree.called)} {noun} called"]
        parts.append(formatting.usage_line(tree.llm_calls, tree.tokens, tree.cost))
        yield field("in all", ", ".join(filter(None, parts)))
    yield from heading("Timeline")
    since = root.summary.created_at
    yield from waterfall(tree.timeline, since, ascii_only=ascii_only, width=width)
    if tree.more:
        yield paint(f"  Further calls are not shown: {len(tree.called)} are.", "yellow")
    yield from _errors(root)
    for one in tree.called:
        if one.detail is not None:
            yield from _errors(one.detail, one.detail.summary.target)


def heading(text: str) -> Iterator[Text]:
    """Yield an empty line and a title."""
    yield paint("")
    yield paint(text, "bold")


def field(name: str, value: object) -> Text:
    """Return the line of a named value."""
    return paint(f"{name:<11} {formatting.one_line(str(value))}")


def _header(detail: InvocationDetail) -> Iterator[Text]:
    row = detail.summary
    title = paint(f"{row.target}  ", "bold")
    title.append_text(paint(row.status, STYLES[row.status]))
    if row.origin == "stored":
        title.append_text(paint("  (stored)", "yellow"))
    yield title
    fields = (
        ("id", row.id),
        (
            "created",
            f"{formatting.date_time(row.created_at)}, {formatting.row_age(row)} ago",
        ),
        ("duration", formatting.elapsed(row)),
        ("time", formatting.times(row)),
        ("attempts", formatting.attempts(row, suspensions=True)),
        ("LLM calls", formatting.count(row.llm_calls)),
        ("tokens", formatting.tokens(row.tokens)),
        ("cost", formatting.cost_line(row.cost) if row.llm_calls else ""),
        ("restart of", formatting.origin_line(row)),
        ("called by", row.invoked_by),
        ("deployment", row.deployment_id),
        ("trace", row.trace_id),
        ("waiting", row.waiting.text if row.waiting else None),
        ("waiting for", row.waiting.invocation_id if row.waiting else None),
        *(("awakeable", step.awakeable_id) for step in detail.steps if step.state == "pending"),
        ("next retry", formatting.date_time(row.next_retry_at)),
        ("failure", formatting.failure_line(row.last_failure)),
    )
    for name, value in fields:
        if value:
            yield field(name, value)
    for offset in detail.clocks:
        yield field("clock", formatting.clock_line(offset))


def _attempt(attempt: Attempt) -> Text:
    took = formatting.duration(formatting.seconds_between(attempt.started_at, attempt.ended_at))
    line = paint(f"{attempt.number:>3}  ")
    line.append_text(paint(f"{attempt.outcome:<16}", STYLES[attempt.outcome]))
    error = formatting.one_line(attempt.error or "")
    line.append_text(paint(f"{took:>8}  {error}".rstrip()))
    return line


def _llm_calls(detail: InvocationDetail) -> Iterator[Text]:
    calls = [(step, step.llm) for step in detail.steps if step.llm]
    if not calls:
        return
    yield from heading("LLM calls")
    for step, llm in calls:
        tool_calls = ", ".join(
            f"{call.name}"
            f"({formatting.one_line(formatting.pretty(call.arguments), ARGUMENTS_LENGTH)})"
            for call in llm.tool_calls
        )
        text = formatting.one_line(llm.text, ANSWER_LENGTH)
        answer = " → ".join(filter(None, (text, tool_calls)))
        tokens = formatting.tokens(llm.tokens)
        yield paint(f"  #{step.index:<4} {llm.model or 'unknown model'}  {tokens}  {answer}")


def _errors(detail: InvocationDetail, target: str = "") -> Iterator[Text]:
    events = [(f"#{step.index} {step.name}", e) for step in detail.steps for e in step.events]
    events += [("the handler", event) for event in detail.events]
    terminal = [(f"#{s.index} {s.name}", s.error) for s in detail.steps if s.error]
    if not events and not terminal:
        return
    yield from heading(f"Errors of {formatting.one_line(target)}" if target else "Errors")
    for where, event in sorted(events, key=lambda pair: pair[1].at):
        yield from event_lines(where, event)
    for where, error in terminal:
        yield paint(
            f"  {formatting.one_line(where)}: {formatting.one_line(error)} (terminal)", "red"
        )


def event_lines(where: str, event: StepEvent) -> Iterator[Text]:
    """Yield a failure or a pause, with its stack trace.

    Args:
        where: Label of the step at which it happened.
        event: The failure or pause.
    """
    code = f" [{event.code}]" if event.code else ""
    yield paint(
        f"  {formatting.clock(event.at)} {event.kind}{code} at {formatting.one_line(where)}: "
        f"{formatting.one_line(event.message)}",
        "red" if event.kind != "Paused" else "magenta",
    )
    if event.stacktrace:
        for line in event.stacktrace.rstrip().splitlines():
            yield paint(f"      {line}", "dim")
