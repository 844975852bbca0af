"""Message parts of OpenTelemetry's GenAI conventions, and LLM calls built from them.

Source: the message schemas of the GenAI semantic conventions (gen-ai-input-messages.json,
gen-ai-output-messages.json). All decoders produce these parts only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from playhead.model import LlmCall, Message, Tokens, ToolCall
from playhead.values import as_json, as_text

__all__ = [
    "Part",
    "llm_call",
    "normalized",
    "other",
    "reasoning",
    "text",
    "tool_call",
    "tool_response",
]

Part = Mapping[str, Any]
"""A message part: its `type`, and the keys of that type."""


def text(content: Any) -> Part:
    """Return a text part."""
    return {"type": "text", "content": content}


def reasoning(content: Any) -> Part:
    """Return a reasoning part."""
    return {"type": "reasoning", "content": content}


def tool_call(call_id: Any, name: Any, arguments: Any) -> Part:
    """Return a tool call part; arguments in JSON text are parsed."""
    return {
        "type": "tool_call",
        "id": as_text(call_id),
        "name": name,
        "arguments": as_json(arguments),
    }


def tool_response(call_id: Any, name: Any, response: Any) -> Part:
    """Return a part with the result of a tool call."""
    return {
        "type": "tool_call_response",
        "id": as_text(call_id),
        "name": name,
        "response": response,
    }


def other(kind: Any, content: Mapping[str, Any]) -> Part:
    """Return a part of another type, such as a file."""
    return {**content, "type": str(kind)}


def normalized(part: Part) -> Part:
    """Return a part from an instrumentation in the form of the conventions.

    Pydantic AI sends `thinking` for `reasoning`, and `result` for `response`.
    """
    match part.get("type"):
        case "thinking":
            return {**part, "type": "reasoning"}
        case "tool_call" if "arguments" in part:
            return {**part, "arguments": as_json(part["arguments"])}
        case "tool_call_response" if "result" in part and "response" not in part:
            rest = {name: value for name, value in part.items() if name != "result"}
            return {**rest, "response": part["result"]}
        case _:
            return part


def llm_call(
    response: Iterable[Message],
    *,
    model: str | None,
    provider: str | None,
    tokens: Tokens | None,
    finish_reason: str | None = None,
    prompt: tuple[Message, ...] | None = None,
    cache_read_tokens: int = 0,
    cache_write_tokens: int = 0,
    response_id: str | None = None,
) -> LlmCall:
    """Return an LLM call, with text and tool calls from the parts of its response."""
    response = tuple(response)
    parts = [part for message in response for part in message.parts]
    return LlmCall(
        model=model,
        provider=provider,
        tokens=tokens,
        text="\n".join(str(p.get("content") or "") for p in parts if p.get("type") == "text"),
        tool_calls=tuple(
            ToolCall(str(part.get("name")), part.get("arguments"), as_text(part.get("id")))
            for part in parts
            if part.get("type") == "tool_call"
        ),
        finish_reason=finish_reason,
        prompt=prompt,
        response=response,
        cache_read_tokens=cache_read_tokens,
        cache_write_tokens=cache_write_tokens,
        response_id=response_id,
    )
