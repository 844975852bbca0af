"""Conversations with a model, message by message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from playhead.formatting import count
from playhead.model import LlmCall, Message

from playhead_tui.drawing.document import Line, heading, pair, text_lines, value_lines

__all__ = ["conversation", "llm_facts", "messages", "tool_call", "unpacked"]


def llm_facts(llm: LlmCall) -> Iterator[Line]:
    """Model, tokens, why it stopped, and the tools it wants."""
    yield pair("model", f"{llm.model or 'unknown'}  {llm.provider or ''}".rstrip(), "llm")
    if llm.tokens:
        yield pair("tokens", f"{count(llm.tokens.input)} in, {count(llm.tokens.output)} out")
    if llm.finish_reason:
        yield pair("finished", llm.finish_reason)
    for call in llm.tool_calls:
        yield pair("wants tool", f"{call.name} {_short(call.arguments)}", "tool")


def conversation(llm: LlmCall) -> Iterator[Line]:
    """The prompt, where it was recorded, and the answer."""
    yield from llm_facts(llm)
    if llm.prompt is None:
        yield Line("")
        yield Line(
            "The prompt was not recorded: no span of this call is there, or its content", "dim"
        )
        yield Line("was not captured. The journal holds only the answer.", "dim")
    yield from messages(llm.prompt or ())
    if llm.response:
        yield from messages(llm.response)
        return
    yield from heading("assistant", "llm")
    if llm.text:
        yield from text_lines(llm.text, indent=2)
    for call in llm.tool_calls:
        yield from tool_call(call.name, call.arguments)


def messages(several: Iterable[Message]) -> Iterator[Line]:
    """A conversation as it was recorded."""
    for one in several:
        yield from _message(one)


def _message(message: Message) -> Iterator[Line]:
    yield from heading(message.role, "llm" if message.role == "assistant" else "accent")
    for part in message.parts:
        kind = part.get("type")
        if kind == "text":
            yield from text_lines(str(part.get("content", "")), indent=2)
        elif kind == "tool_call":
            yield from tool_call(str(part.get("name", "")), part.get("arguments"))
        elif kind == "tool_call_response":
            yield Line(f"answer of {part.get('name') or part.get('id') or 'a tool'}", "tool", 2)
            yield from value_lines(unpacked(part.get("response")), indent=4)
        elif kind == "reasoning":
            yield from text_lines(str(part.get("content", "")), tone="dim", indent=2)
        else:
            yield from value_lines(dict(part), indent=2)


def tool_call(name: str, arguments: Any) -> Iterator[Line]:
    """A tool that a model wants called."""
    yield from text_lines(f"calls {name}", tone="tool", indent=2)
    if arguments not in (None, "", {}):
        yield from value_lines(unpacked(arguments), indent=4)


def unpacked(value: Any) -> Any:
    """Arguments come as JSON text from some models."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) < 200 else text[:197] + "..."
