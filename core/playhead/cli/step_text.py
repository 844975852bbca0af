"""One step as lines of text, with its complete payloads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from playhead import formatting
from playhead.cli.invocation_text import event_lines, field, heading
from playhead.cli.output import STYLES, paint

if TYPE_CHECKING:
    from rich.text import Text

    from playhead.model import LlmCall, Message, Step

__all__ = ["lines", "message_lines"]


def lines(step: Step) -> Iterator[Text]:
    """Yield the step's fields, input and output or the messages of its LLM call, and errors."""
    title = paint(f"{formatting.step_label(step)}  ", "bold")
    title.append_text(paint(step.state, STYLES[step.state]))
    yield title
    fields: tuple[tuple[str, object], ...] = (
        ("type", step.type),
        ("command", step.command_index),
        ("attempt", step.attempt),
        ("started", formatting.clock(step.started_at)),
        ("ended", formatting.clock(step.ended_at)),
        ("note", step.note),
        ("wakes at", formatting.date_time(step.wake_at)),
        ("invocation", step.child_id),
        ("awakeable", step.awakeable_id),
        ("state key", step.state_key),
    )
    for name, value in fields:
        if value is not None and value != "":
            yield field(name, value)
    if step.llm:
        yield from _llm(step.llm)
    else:
        yield from _value("Input", step.input)
        yield from _value("Output", step.tool.result if step.tool else step.output)
    if step.error:
        yield from heading("Terminal error")
        yield from _block(step.error, "red")
    if len(step.tries) > 1 or step.waits or step.more_tries:
        yield from heading(formatting.tries_line(step))
        for line in formatting.try_lines(step, datetime.now(UTC)):
            yield paint(f"  {line}")
    if step.events:
        yield from heading("Recorded failures")
        for event in step.events:
            yield from event_lines(f"#{step.index}", event)


def _llm(llm: LlmCall) -> Iterator[Text]:
    yield field("model", f"{llm.model or 'unknown'} ({llm.provider or 'unknown provider'})")
    if llm.tokens:
        cached = f" ({llm.cache_read_tokens} cached)" if llm.cache_read_tokens else ""
        yield field("tokens", f"{llm.tokens.input} in{cached}, {llm.tokens.output} out")
    if llm.finish_reason:
        yield field("finish", llm.finish_reason)
    if llm.prompt is None:
        yield from heading("Prompt")
        yield paint(
            "  Not recorded: prompts come from the agent's spans. Instrument the agent with"
            " playhead-tracing, and keep a recorder running.",
            "dim",
        )
    for message in llm.prompt or ():
        yield from message_lines(message)
    for message in llm.response:
        yield from message_lines(message, "answer: ")


def message_lines(message: Message, prefix: str = "") -> Iterator[Text]:
    """Yield the role and the parts of a message."""
    yield from heading(f"{prefix}{message.role}")
    for part in message.parts:
        match part.get("type"):
            case "text":
                yield from _block(str(part.get("content") or ""))
            case "reasoning":
                yield from _block(str(part.get("content") or ""), "dim")
            case "tool_call":
                arguments = formatting.pretty(part.get("arguments"))
                yield from _block(f"→ {part.get('name')}({arguments})", "cyan")
            case "tool_call_response":
                response = formatting.pretty(part.get("response"))
                yield from _block(f"← {part.get('name') or part.get('id')}: {response}")
            case _:
                yield from _block(formatting.pretty(dict(part)))


def _value(title: str, value: Any) -> Iterator[Text]:
    if value is not None:
        yield from heading(title)
        yield from _block(formatting.pretty(value))


def _block(text: str, style: str = "") -> Iterator[Text]:
    for line in text.splitlines() or [""]:
        yield paint(f"  {line}", style)
