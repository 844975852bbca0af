"""Lines for views of a whole invocation: conversation, changes of state, calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from playhead.formatting import calls_of, clock, cost, elapsed, one_line, pretty, tokens
from playhead.model import Cost, Tokens
from playhead.reader.invocation.call_tree import CallTree
from playhead.reader.invocation.conversation import Turn
from playhead.reader.invocation.key_changes import KeyChange

from playhead_tui.drawing.document import Line, value_lines
from playhead_tui.inspector.messages import message_lines

__all__ = ["call_lines", "change_lines", "turn_lines"]

SHORT = 200
"""Characters of a value that is shown in one line."""


def turn_lines(turns: Sequence[Turn]) -> Iterator[Line]:
    """Yield what each call added to the conversation, and its answer."""
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
        own = _sums(row.llm_calls, row.tokens, row.cost)
        if own:
            yield Line(own, "llm", 2 * node.depth + 2)
        total = _sums(node.llm_calls, node.tokens, node.cost)
        if total and node.llm_calls != row.llm_calls:
            yield Line(f"in all {total}", "text", 2 * node.depth + 2)
        yield Line(row.id, "dim", 2 * node.depth + 2)
    if tree.more:
        yield Line(f"Further calls are not shown: {len(tree.nodes)} are.", "warn")


def _sums(calls: int | None, spent: Tokens | None, price: Cost | None) -> str:
    if not calls:
        return ""
    parts = (calls_of(calls, "LLM call"), f"{tokens(spent)} tokens", cost(price, unknown=""))
    return ", ".join(filter(None, parts))
