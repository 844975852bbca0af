"""Lines for a conversation with a model, message by message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from playhead.formatting import count
from playhead.model import LlmCall, Message

from playhead_tui.drawing.document import Line, heading, pair, text_lines, value_lines

__all__ = ["conversation", "folded_messages", "llm_lines", "message_lines", "parsed", "tool_call"]


def llm_lines(llm: LlmCall) -> Iterator[Line]:
    """Yield model, tokens, finish reason and requested tools."""
    yield pair("Model", f"{llm.model or 'unknown'}  {llm.provider or ''}".rstrip(), "llm")
    if llm.tokens:
        yield pair("Tokens", f"{count(llm.tokens.input)} in, {count(llm.tokens.output)} out")
    if llm.finish_reason:
        yield pair("Finished", llm.finish_reason)
    for call in llm.tool_calls:
        yield pair("Tool call", f"{call.name} {_short(call.arguments)}", "tool")


def conversation(llm: LlmCall, repeated: int = 0) -> Iterator[Line]:
    """Yield the prompt, if it is available, and the response.

    Args:
        llm: The call.
        repeated: Number of messages at the start of the prompt that are folded.
    """
    yield from llm_lines(llm)
    if llm.prompt is None:
        yield Line("")
        yield Line("No prompt: the store has no span of this call, or the span has no", "dim")
        yield Line("message content. The journal contains only the response.", "dim")
    yield from folded_messages(llm.prompt or (), repeated)
    if llm.response:
        yield from message_lines(llm.response)
        return
    yield from heading("assistant", "llm")
    if llm.text:
        yield from text_lines(llm.text, indent=2)
    for call in llm.tool_calls:
        yield from tool_call(call.name, call.arguments)


def folded_messages(messages: Sequence[Message], repeated: int) -> Iterator[Line]:
    """Yield messages; those that an earlier call had are one line."""
    if repeated:
        noun = "message" if repeated == 1 else "messages"
        yield Line("")
        yield Line(f"{repeated} {noun} as in an earlier call; m shows all", "dim")
    yield from message_lines(messages[repeated:])


def message_lines(messages: Iterable[Message]) -> Iterator[Line]:
    """Yield the role and the parts of each message."""
    for message in messages:
        yield from heading(message.role, "llm" if message.role == "assistant" else "accent")
        for part in message.parts:
            yield from _part_lines(part)


def _part_lines(part: Mapping[str, Any]) -> Iterator[Line]:
    match part.get("type"):
        case "text":
            yield from text_lines(str(part.get("content", "")), indent=2)
        case "reasoning":
            yield from text_lines(str(part.get("content", "")), style="dim", indent=2)
        case "tool_call":
            yield from tool_call(str(part.get("name", "")), part.get("arguments"))
        case "tool_call_response":
            tool = part.get("name") or part.get("id") or "a tool"
            yield Line(f"response of {tool}", "tool", 2)
            yield from value_lines(parsed(part.get("response")), indent=4)
        case _:
            yield from value_lines(dict(part), indent=2)


def tool_call(name: str, arguments: Any) -> Iterator[Line]:
    """Yield a tool call of a model."""
    yield from text_lines(f"calls {name}", style="tool", indent=2)
    if arguments not in (None, "", {}):
        yield from value_lines(parsed(arguments), indent=4)


def parsed(value: Any) -> Any:
    """Return the value of a JSON text; some models send arguments as text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) < 200 else text[:197] + "..."
