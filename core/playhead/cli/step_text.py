"""One step as lines of text, whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from playhead.cli import words
from playhead.cli.invocation_text import event_lines, heading
from playhead.cli.output import paint

if TYPE_CHECKING:
    from rich.text import Text

    from playhead.model import LlmCall, Message, Step

__all__ = ["lines"]


def lines(step: Step) -> Iterator[Text]:
    """What it is, what went in and came out, the messages of an LLM call, its errors."""
    title = paint(f"#{step.index} {step.kind} {step.name}  ", "bold")
    title.append_text(paint(step.state, words.STYLES[step.state]))
    yield title
    facts: tuple[tuple[str, object], ...] = (
        ("type", step.type),
        ("command", step.command_index),
        ("attempt", step.attempt),
        ("started", f"{step.started_at:%H:%M:%S.%f} UTC" if step.started_at else None),
        ("ended", f"{step.ended_at:%H:%M:%S.%f} UTC" if step.ended_at else None),
        ("wakes at", f"{step.wake_at:%Y-%m-%d %H:%M:%S} UTC" if step.wake_at else None),
        ("invocation", step.child_id),
        ("awakeable", step.awakeable_id),
        ("state key", step.state_key),
    )
    for name, value in facts:
        if value is not None:
            yield paint(f"{name:<11} {words.one_line(str(value))}")
    if step.llm:
        yield from _llm(step.llm)
    else:
        yield from _value("Input", step.input)
        yield from _value("Output", step.tool.result if step.tool else step.output)
    if step.error:
        yield from heading("Terminal error")
        yield from _block(step.error, "red")
    if step.events:
        yield from heading("Failed tries")
        for event in step.events:
            yield from event_lines(f"#{step.index}", event)


def _llm(llm: LlmCall) -> Iterator[Text]:
    yield paint(f"{'model':<11} {llm.model or '?'} ({llm.provider or 'provider unknown'})")
    cached = f", {llm.cache_read_tokens} of them cached" if llm.cache_read_tokens else ""
    if llm.tokens:
        yield paint(f"{'tokens':<11} {llm.tokens.input} in{cached}, {llm.tokens.output} out")
    if llm.finish_reason:
        yield paint(f"{'finish':<11} {llm.finish_reason}")
    if llm.prompt is None:
        yield from heading("Prompt")
        yield paint(
            "  Not recorded: prompts come from the agent's spans (playhead-tracing).", "dim"
        )
    for message in llm.prompt or ():
        yield from _message(message)
    for message in llm.response:
        yield from _message(message, "answer: ")


def _message(message: Message, prefix: str = "") -> Iterator[Text]:
    yield from heading(f"{prefix}{message.role}")
    for part in message.parts:
        kind = part.get("type")
        if kind in ("text", "thinking", "reasoning"):
            yield from _block(str(part.get("content") or ""), "dim" if kind != "text" else "")
        elif kind == "tool_call":
            yield from _block(
                f"→ {part.get('name')}({words.pretty(part.get('arguments'))})", "cyan"
            )
        elif kind == "tool_call_response":
            answer = part.get("response", part.get("result"))
            yield from _block(f"← {part.get('name') or part.get('id')}: {words.pretty(answer)}")
        else:
            yield from _block(words.pretty(dict(part)))


def _value(title: str, value: Any) -> Iterator[Text]:
    if value is not None:
        yield from heading(title)
        yield from _block(words.pretty(value))


def _block(text: str, style: str = "") -> Iterator[Text]:
    for line in text.splitlines() or [""]:
        yield paint(f"  {line}", style)
