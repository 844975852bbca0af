"""Views of a whole invocation as lines of text, such as its conversation or its trace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from playhead import formatting
from playhead.cli.output import STYLES, paint
from playhead.cli.step_text import message_lines
from playhead.reader.invocation.attempt_contents import contents_lines
from playhead.reader.invocation.span_tree import span_line

if TYPE_CHECKING:
    from rich.text import Text

    from playhead.reader.invocation.attempt_contents import AttemptContents
    from playhead.reader.invocation.call_tree import CallTree
    from playhead.reader.invocation.conversation import Turn
    from playhead.reader.invocation.event_log import LoggedEvent
    from playhead.reader.invocation.key_changes import KeyChange
    from playhead.reader.invocation.span_tree import SpanNode

__all__ = [
    "attempt_lines",
    "call_lines",
    "conversation_lines",
    "event_lines",
    "span_lines",
    "state_lines",
]

VALUE_LENGTH = 500


def conversation_lines(turns: Sequence[Turn]) -> Iterator[Text]:
    """Yield what each call added to the conversation, and its answer."""
    if not turns:
        yield paint("No LLM call is recorded.", "dim")
    for number, turn in enumerate(turns):
        if number:
            yield paint("")
        place = f"#{turn.index}" if turn.index is not None else "span"
        words = filter(None, (place, formatting.clock(turn.at), turn.agent, turn.model))
        yield paint("  ".join(words), "bold")
        if turn.repeated is None:
            yield paint("  The prompt is not recorded.", "dim")
        elif turn.repeated:
            noun = "message" if turn.repeated == 1 else "messages"
            yield paint(f"  {turn.repeated} {noun} as before", "dim")
        for message in turn.added:
            yield from message_lines(message)
        for message in turn.answer:
            yield from message_lines(message, "answer: ")
        if turn.error:
            yield paint(f"  {formatting.one_line(turn.error)}", "red")


def state_lines(changes: Sequence[KeyChange]) -> Iterator[Text]:
    """Yield the value of each key before and after its changes."""
    if not changes:
        yield paint("It changed no state.", "dim")
    for change in changes:
        title = f"#{change.index}  {formatting.clock(change.at)}  {change.kind} {change.key}"
        yield paint(formatting.one_line(title).rstrip(), "bold")
        before = _value(change.before) if change.before_known else "unknown"
        yield paint(f"  - {before}", "red" if change.before_known else "dim")
        if change.kind == "set":
            text = "too large; see --step" if change.truncated else _value(change.after)
            yield paint(f"  + {text}", "green")


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return formatting.one_line(formatting.pretty(value), VALUE_LENGTH)


def call_lines(tree: CallTree) -> Iterator[Text]:
    """Yield one line for each invocation, with its own figures and those of its branch."""
    for node in tree.nodes:
        row = node.row
        line = paint("  " * node.depth + row.target, "bold" if not node.depth else "")
        line.append_text(paint(f"  {row.status}", STYLES[row.status]))
        line.append_text(paint(f"  {formatting.elapsed(row)}"))
        line.append_text(
            paint(f"  {formatting.usage_line(row.llm_calls, row.tokens, row.cost)}".rstrip())
        )
        total = formatting.usage_line(node.llm_calls, node.tokens, node.cost)
        if total and node.llm_calls != row.llm_calls:
            line.append_text(paint(f"  (in all {total})", "dim"))
        line.append_text(paint(f"  {row.id}", "dim"))
        yield line
    if tree.more:
        yield paint(f"Further calls are not shown: {len(tree.nodes)} are.", "yellow")


def attempt_lines(attempts: Sequence[AttemptContents]) -> Iterator[Text]:
    """Yield each attempt with the steps that it executed, and how the time after it passed."""
    if not attempts:
        yield paint("No attempt is recorded.", "dim")
    for one in attempts:
        attempt = one.attempt
        line = paint(f"attempt {attempt.number}  {formatting.clock(attempt.started_at)}  ", "bold")
        line.append_text(paint(attempt.outcome, STYLES[attempt.outcome]))
        took = formatting.seconds_between(attempt.started_at, attempt.ended_at)
        words = (formatting.duration(took), one.deployment_id)
        line.append_text(paint("  ".join(["", *filter(None, words)])))
        yield line
        if attempt.error:
            yield paint(f"  {formatting.one_line(attempt.error)}", "red")
        for text, failed in contents_lines(one):
            yield paint(f"  {text}", "red" if failed else "")


def span_lines(nodes: Sequence[SpanNode]) -> Iterator[Text]:
    """Yield each span below its parent."""
    if not nodes:
        yield paint("No span is recorded.", "dim")
    for node in nodes:
        span = node.span
        failed = span.status == "error"
        title = "  " * node.depth + formatting.one_line(span.name)
        line = paint(f"{formatting.clock(span.start)}  ", "dim")
        line.append_text(paint(title, "red" if failed else ""))
        line.append_text(paint(f"  {span_line(node)}", "red" if failed else "dim"))
        yield line


def event_lines(events: Sequence[LoggedEvent]) -> Iterator[Text]:
    """Yield each event with its time."""
    for event in events:
        line = paint(f"{formatting.clock(event.at)}  {event.kind:<10}  ", "dim")
        line.append_text(paint(formatting.one_line(event.text), "red" if event.failed else ""))
        yield line
