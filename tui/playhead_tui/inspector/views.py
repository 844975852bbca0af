"""Lines for the views of a whole invocation, such as its conversation or its trace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from playhead.formatting import (
    clock,
    duration,
    elapsed,
    one_line,
    pretty,
    seconds_between,
    usage_line,
)
from playhead.reader.invocation.attempt_contents import AttemptContents, contents_lines
from playhead.reader.invocation.call_tree import CallTree
from playhead.reader.invocation.conversation import Turn
from playhead.reader.invocation.event_log import LoggedEvent
from playhead.reader.invocation.key_changes import KeyChange
from playhead.reader.invocation.span_tree import SpanNode, span_line

from playhead_tui.drawing.document import Line, value_lines
from playhead_tui.inspector.messages import message_lines

__all__ = [
    "attempt_lines", "call_lines", "change_lines", "event_lines", "span_lines", "turn_lines",
]  # fmt: skip

SHORT = 200
"""Characters of a value that is shown in one line."""
DEEPEST = 20
"""Depth from which spans are not indented further."""


def turn_lines(turns: Sequence[Turn], before: int = 0) -> Iterator[Line]:
    """Yield what each call added to the conversation, and its answer.

    Args:
        turns: The calls.
        before: Number of earlier calls that are not among them.
    """
    if before:
        yield Line(f"The last {len(turns)} of {before + len(turns)} LLM calls.", "warn")
        yield Line("`playhead show ID --view conversation` shows all.", "dim")
        yield Line("")
    if not turns:
        yield Line("No LLM call is recorded.", "dim")
    for turn in turns:
        place = f"#{turn.index}" if turn.index is not None else ""
        words = filter(None, (place, clock(turn.at), turn.agent, turn.model))
        yield Line("  ".join(words), "strong")
        if turn.repeated is None:
            yield Line("The prompt is not recorded.", "dim", 2)
        elif turn.repeated:
            noun = "message" if turn.repeated == 1 else "messages"
            yield Line(f"{turn.repeated} {noun} as before", "dim", 2)
        yield from message_lines(turn.added)
        yield from message_lines(turn.answer)
        if turn.error:
            yield Line(one_line(turn.error), "bad", 2)
        yield Line("")


def change_lines(changes: Sequence[KeyChange]) -> Iterator[Line]:
    """Yield the value of each key before and after its changes."""
    if not changes:
        yield Line("It changed no state.", "dim")
    for change in changes:
        title = f"#{change.index}  {clock(change.at)}  {change.kind} {change.key}"
        yield Line(one_line(title).rstrip(), "strong")
        if not change.before_known:
            yield Line("before: unknown", "dim", 2)
        elif change.before is None:
            yield Line("before: none", "dim", 2)
        else:
            yield Line("before:", "dim", 2)
            yield from _value(change.before)
        if change.kind == "set":
            yield Line("after:", "dim", 2)
            if change.truncated:
                yield Line("too large to be read with the journal; see the step's Raw", "warn", 4)
            else:
                yield from _value(change.after)
        yield Line("")


def _value(value: Any) -> Iterator[Line]:
    text = one_line(pretty(value))
    if len(text) <= SHORT:
        yield Line(text, indent=4, syntax="json")
    else:
        yield from value_lines(value, indent=4)


def call_lines(tree: CallTree) -> Iterator[Line]:
    """Yield each invocation with its own figures and those of its branch."""
    for node in tree.nodes:
        row = node.row
        yield Line(f"{row.target}  {row.status}  {elapsed(row)}", "strong", 2 * node.depth)
        own = usage_line(row.llm_calls, row.tokens, row.cost)
        if own:
            yield Line(own, "llm", 2 * node.depth + 2)
        total = usage_line(node.llm_calls, node.tokens, node.cost)
        if total and node.llm_calls != row.llm_calls:
            yield Line(f"in all {total}", "text", 2 * node.depth + 2)
        yield Line(row.id, "dim", 2 * node.depth + 2)
    if tree.more:
        yield Line(f"Further calls are not shown: {len(tree.nodes)} are.", "warn")


def attempt_lines(attempts: Sequence[AttemptContents]) -> Iterator[Line]:
    """Yield each attempt with the steps that it executed, and how the time after it passed."""
    if not attempts:
        yield Line("No attempt is recorded.", "dim")
    for one in attempts:
        attempt = one.attempt
        took = duration(seconds_between(attempt.started_at, attempt.ended_at))
        words = (f"attempt {attempt.number}", clock(attempt.started_at), attempt.outcome, took)
        failed = attempt.outcome not in ("completed", "suspended", "running")
        yield Line("  ".join(filter(None, words)), "bad" if failed else "strong")
        if one.deployment_id:
            yield Line(one.deployment_id, "dim", 2)
        if attempt.error:
            yield Line(one_line(attempt.error), "bad", 2)
        for text, bad in contents_lines(one):
            yield Line(text, "bad" if bad else "text", 2)
        yield Line("")


def span_lines(nodes: Sequence[SpanNode]) -> Iterator[Line]:
    """Yield each span below its parent."""
    if not nodes:
        yield Line("No span is recorded.", "dim")
    for node in nodes:
        name = one_line(node.span.name)
        style = "bad" if node.span.status == "error" else "text"
        text = f"{clock(node.span.start)}  {name}  {span_line(node)}"
        yield Line(text, style, 2 * min(node.depth, DEEPEST))


def event_lines(events: Sequence[LoggedEvent]) -> Iterator[Line]:
    """Yield each event with its time."""
    for event in events:
        text = f"{clock(event.at)}  {event.kind:<10}  {one_line(event.text)}"
        yield Line(text, "bad" if event.failed else "text")
