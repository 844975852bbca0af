"""Views of a whole invocation as lines of text: conversation, changes of state, calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from playhead import formatting
from playhead.cli.output import STYLES, paint
from playhead.cli.step_text import message_lines

if TYPE_CHECKING:
    from rich.text import Text

    from playhead.reader.invocation.call_tree import CallTree
    from playhead.reader.invocation.conversation import Turn
    from playhead.reader.invocation.key_changes import KeyChange

__all__ = ["call_lines", "conversation_lines", "state_lines"]

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
        line.append_text(paint(f"  {_sums(row.llm_calls, row.tokens, row.cost)}".rstrip()))
        total = _sums(node.llm_calls, node.tokens, node.cost)
        if total and node.llm_calls != row.llm_calls:
            line.append_text(paint(f"  (in all {total})", "dim"))
        line.append_text(paint(f"  {row.id}", "dim"))
        yield line
    if tree.more:
        yield paint(f"Further calls are not shown: {len(tree.nodes)} are.", "yellow")


def _sums(calls: int | None, tokens: Any, cost: Any) -> str:
    if not calls:
        return ""
    parts = (formatting.calls_of(calls, "LLM call"), f"{formatting.tokens(tokens)} tokens",
             formatting.cost(cost, unknown=""))  # fmt: skip
    return ", ".join(filter(None, parts))
