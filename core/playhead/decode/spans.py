"""LLM calls out of span attributes, as OpenTelemetry's GenAI conventions name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from playhead.model import LlmCall, Message, Span, Tokens, ToolCall
from playhead.values import as_dict, as_int, as_json, as_list, as_text

__all__ = ["LLM_OPERATIONS", "answered", "is_llm_call", "llm_call", "messages", "whole_prompt"]

LLM_OPERATIONS = ("chat", "text_completion", "generate_content")
"""Values of `gen_ai.operation.name` that ask a model."""
_INPUT = "gen_ai.input.messages"
_INSTRUCTIONS = "gen_ai.system_instructions"


def is_llm_call(span: Span) -> bool:
    """Whether the span is a request to a model."""
    return span.attributes.get("gen_ai.operation.name") in LLM_OPERATIONS


def answered(span: Span) -> bool:
    """Whether the span is a request to a model that really ran and got its answer.

    Replays, failures and requests that were cut off are none.
    """
    attributes = span.attributes
    return (
        is_llm_call(span)
        and span.end is not None
        and span.status != "error"
        and not attributes.get("playhead.replayed")
        and not attributes.get("playhead.interrupted")
    )


def llm_call(span: Span) -> LlmCall:
    """What a request's span tells; empty where content capture is off."""
    attributes = span.attributes
    response = messages(attributes.get("gen_ai.output.messages"))
    reasons = as_list(as_json(attributes.get("gen_ai.response.finish_reasons")))
    return LlmCall(
        model=as_text(attributes.get("gen_ai.response.model"))
        or as_text(attributes.get("gen_ai.request.model")),
        provider=as_text(attributes.get("gen_ai.provider.name"))
        or as_text(attributes.get("gen_ai.system")),
        tokens=_tokens(attributes),
        text="\n".join(message.text for message in response),
        tool_calls=tuple(
            ToolCall(str(part.get("name")), as_json(part.get("arguments")), as_text(part.get("id")))
            for message in response
            for part in message.parts
            if part.get("type") == "tool_call"
        ),
        finish_reason=as_text(reasons[0]) if reasons else None,
        prompt=_prompt(attributes),
        response=response,
        cache_read_tokens=as_int(attributes.get("gen_ai.usage.cache_read.input_tokens")),
        cache_write_tokens=as_int(attributes.get("gen_ai.usage.cache_creation.input_tokens")),
    )


def messages(value: object) -> tuple[Message, ...]:
    """Messages in the form of `gen_ai.input.messages`; what has another form is left out."""
    return tuple(
        Message(str(message.get("role") or "unknown"), tuple(_parts(message)))
        for message in map(as_dict, as_list(as_json(value)))
        if message
    )


def whole_prompt(attributes: Mapping[str, Any]) -> tuple[Message, ...] | None:
    """All that a model was told; None where any of it is missing.

    Missing are texts while content capture is off, what a limit of attributes' length cut, and
    what was redacted.
    """
    redacted = as_list(attributes.get("playhead.redacted"))
    if any(name in redacted for name in (_INSTRUCTIONS, _INPUT)):
        return None
    asked = as_json(attributes.get(_INPUT))
    instructions = as_json(attributes.get(_INSTRUCTIONS, "[]"))
    if not _are_messages(asked) or not _are_parts(instructions):
        return None
    told = tuple(Message(message["role"], tuple(message["parts"])) for message in asked)
    if instructions:
        told = (Message("system", tuple(instructions)), *told)
    texts = [p.get("content") for m in told for p in m.parts if p["type"] == "text"]
    return told if texts and all(isinstance(text, str) for text in texts) else None


def _are_messages(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(message.get("role"), str) and _are_parts(message.get("parts"))
        for message in map(as_dict, cast("list[Any]", value))
    )


def _are_parts(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(part.get("type"), str) for part in map(as_dict, cast("list[Any]", value))
    )


def _parts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if isinstance(content := message.get("content"), str):
        return [{"type": "text", "content": content}]
    return [part for part in map(as_dict, as_list(message.get("parts"))) if part]


def _prompt(attributes: Mapping[str, Any]) -> tuple[Message, ...] | None:
    asked = messages(attributes.get(_INPUT))
    instructions = as_list(as_json(attributes.get(_INSTRUCTIONS)))
    if instructions and not any(message.role == "system" for message in asked):
        parts = tuple(part for part in map(as_dict, instructions) if part)
        asked = (Message("system", parts), *asked)
    return asked or None


def _tokens(attributes: Mapping[str, Any]) -> Tokens | None:
    given = [attributes.get(f"gen_ai.usage.{way}_tokens") for way in ("input", "output")]
    return None if given == [None, None] else Tokens(as_int(given[0]), as_int(given[1]))
