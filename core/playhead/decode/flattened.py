"""Messages in span attributes of other conventions than OpenTelemetry's.

OpenInference and OpenLLMetry have one attribute per part of a message, such as
`llm.input_messages.0.message.content` and `gen_ai.prompt.0.content`. Vercel's AI SDK has messages
as JSON text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from playhead.decode import parts
from playhead.model import Message
from playhead.values import as_dict, as_json, as_list, as_text

__all__ = ["RESPONSES", "prompt", "response"]

_PROMPTS = ("llm.input_messages", "gen_ai.prompt")
_RESPONSES = ("llm.output_messages", "gen_ai.completion")
RESPONSES = (*_RESPONSES, "ai.response.")
"""What the names of the attributes of answers begin with."""
_NUMBER = re.compile(r"\.(\d+)\.")


def prompt(attributes: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return the messages sent to the model; empty if the span has none in these forms."""
    for prefix in _PROMPTS:
        if found := _messages(attributes, prefix):
            return found
    messages = as_list(as_json(attributes.get("ai.prompt.messages")))
    return tuple(
        Message(str(message.get("role") or "unknown"), _vercel_parts(message.get("content")))
        for message in map(as_dict, messages)
    )


def response(attributes: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return the messages of the answer; empty if the span has none in these forms."""
    for prefix in _RESPONSES:
        if found := _messages(attributes, prefix):
            return found
    said = as_text(attributes.get("ai.response.text"))
    called = as_list(as_json(attributes.get("ai.response.toolCalls")))
    found = [
        *([parts.text(said)] if said else []),
        *(_vercel_part({**as_dict(call), "type": "tool-call"}) for call in called),
    ]
    return (Message("assistant", tuple(found)),) if found else ()


def _messages(attributes: Mapping[str, Any], prefix: str) -> tuple[Message, ...]:
    """Return the messages in the attributes `{prefix}.{number}.…`, in order."""
    grouped: dict[int, dict[str, Any]] = defaultdict(dict)
    for name, value in attributes.items():
        if name.startswith(prefix) and (found := _NUMBER.match(name, len(prefix))):
            grouped[int(found[1])][name[found.end() :].removeprefix("message.")] = value
    return tuple(_message(grouped[number]) for number in sorted(grouped))


def _message(fields: Mapping[str, Any]) -> Message:
    role = str(fields.get("role") or "unknown")
    texts = [fields.get("content")]
    texts += [value for name, value in _numbered(fields, "contents") if name.endswith(".text")]
    found = [parts.text(text) for text in texts if as_text(text)]
    if role == "tool":
        call_id, name = fields.get("tool_call_id"), fields.get("name")
        content = "\n".join(str(part["content"]) for part in found)
        return Message(role, (parts.tool_response(call_id, name, as_json(content)),))
    calls: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, value in _numbered(fields, "tool_calls"):
        number, _, key = name.partition(".")
        calls[number][key.removeprefix("tool_call.").removeprefix("function.")] = value
    found += [
        parts.tool_call(call.get("id"), call.get("name"), call.get("arguments"))
        for _, call in sorted(calls.items(), key=lambda item: item[0].zfill(6))
    ]
    return Message(role, tuple(found))


def _numbered(fields: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """Return the fields `{prefix}.{number}.{key}` as (`{number}.{key}`, value)."""
    return [
        (name[len(prefix) + 1 :], value)
        for name, value in fields.items()
        if name.startswith(f"{prefix}.")
    ]


def _vercel_parts(content: Any) -> tuple[parts.Part, ...]:
    if isinstance(content, str):
        return (parts.text(content),)
    return tuple(_vercel_part(as_dict(part)) for part in as_list(content))


def _vercel_part(part: Mapping[str, Any]) -> parts.Part:
    call_id, tool = part.get("toolCallId"), part.get("toolName")
    match part.get("type"):
        case "text":
            return parts.text(part.get("text"))
        case "reasoning":
            return parts.reasoning(part.get("text"))
        case "tool-call":
            return parts.tool_call(call_id, tool, part.get("args", part.get("input")))
        case "tool-result":
            return parts.tool_response(call_id, tool, part.get("result", part.get("output")))
        case kind:
            return parts.other(kind, part)
