"""LLM calls from span attributes of OpenTelemetry's GenAI conventions, and of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from playhead import conventions as names
from playhead.conventions import INPUT_MESSAGES, SYSTEM_INSTRUCTIONS, SpanRule
from playhead.decode import flattened, parts
from playhead.model import LlmCall, Message, Span, Tokens
from playhead.values import as_dict, as_int, as_json, as_list, as_text

__all__ = [
    "answer_attributes",
    "call_of",
    "complete_prompt",
    "is_answered",
    "is_llm_call",
    "llm_call",
    "messages",
]


def is_llm_call(span: Span) -> bool:
    """Return whether the span is a request to a model, answered or not."""
    return _matches(names.LLM_CALL, span)


def is_answered(span: Span) -> bool:
    """Return whether the span is a request that a model answered (`ANSWERED_LLM_CALL`)."""
    return _matches(names.ANSWERED_LLM_CALL, span)


def _matches(rule: SpanRule, span: Span) -> bool:
    ended = span.end is not None and span.end_received
    return rule.matches(span.attributes, ended=ended, status=span.status)


def llm_call(span: Span) -> LlmCall:
    """Return the LLM call of a request's span; without messages when content capture is off."""
    return call_of(span.attributes)


def call_of(
    attributes: Mapping[str, Any], *, prompt: bool = True, response: bool = True
) -> LlmCall:
    """Return the LLM call in the attributes of a request's span.

    Args:
        attributes: The attributes.
        prompt: Decode the messages that were sent, which takes the most time.
        response: Decode the messages of the answer.
    """
    reasons = as_list(as_json(attributes.get(names.FINISH_REASONS)))
    reasons = reasons or [names.FINISH_REASON.of(attributes)]
    answer: tuple[Message, ...] = ()
    if response:
        answer = messages(attributes.get(names.OUTPUT_MESSAGES)) or flattened.response(attributes)
    return parts.llm_call(
        answer,
        model=as_text(names.MODEL.of(attributes)),
        provider=as_text(names.PROVIDER_NAME.of(attributes)),
        tokens=_tokens(attributes),
        finish_reason=as_text(reasons[0]),
        prompt=_prompt(attributes) if prompt else None,
        cache_read_tokens=as_int(names.CACHE_READ.of(attributes)),
        cache_write_tokens=as_int(names.CACHE_WRITE.of(attributes)),
        response_id=as_text(names.RESPONSE_IDS.of(attributes)),
    )


def answer_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a request's span that have the model's answer."""
    return {
        name: value
        for name, value in attributes.items()
        if name == names.OUTPUT_MESSAGES or name.startswith(flattened.RESPONSES)
    }


def messages(value: object) -> tuple[Message, ...]:
    """Return the messages in a value of `gen_ai.input.messages` or `gen_ai.output.messages`.

    Args:
        value: A list, or a list as JSON text. Items that are not messages are left out.
    """
    return tuple(
        Message(str(message.get("role") or "unknown"), _parts(message))
        for message in map(as_dict, as_list(as_json(value)))
        if message
    )


def complete_prompt(attributes: Mapping[str, Any]) -> tuple[Message, ...] | None:
    """Return the prompt, instructions first; None if any part is missing.

    Content is missing if content capture is off, if a length limit of attributes cut it, or if it
    was redacted.
    """
    redacted = as_list(attributes.get(names.REDACTED))
    if any(name in redacted for name in (SYSTEM_INSTRUCTIONS, INPUT_MESSAGES)):
        return None
    sent = as_json(attributes.get(INPUT_MESSAGES))
    instructions = as_json(attributes.get(SYSTEM_INSTRUCTIONS, "[]"))
    if not _are_messages(sent) or not _are_parts(instructions):
        return None
    prompt = tuple(Message(message["role"], _normalized(message["parts"])) for message in sent)
    if instructions:
        prompt = (Message("system", _normalized(instructions)), *prompt)
    texts = [p.get("content") for m in prompt for p in m.parts if p["type"] == "text"]
    return prompt if texts and all(isinstance(text, str) for text in texts) else None


def _are_messages(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(message.get("role"), str) and _are_parts(message.get("parts"))
        for message in map(as_dict, cast("list[Any]", value))
    )


def _are_parts(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(part.get("type"), str) for part in map(as_dict, cast("list[Any]", value))
    )


def _parts(message: Mapping[str, Any]) -> tuple[parts.Part, ...]:
    if isinstance(content := message.get("content"), str):
        return (parts.text(content),)
    return _normalized(as_list(message.get("parts")))


def _normalized(found: list[Any]) -> tuple[parts.Part, ...]:
    return tuple(parts.normalized(part) for part in map(as_dict, found) if part)


def _prompt(attributes: Mapping[str, Any]) -> tuple[Message, ...] | None:
    sent = messages(attributes.get(INPUT_MESSAGES)) or flattened.prompt(attributes)
    instructions = as_list(as_json(attributes.get(SYSTEM_INSTRUCTIONS)))
    if instructions and not any(message.role == "system" for message in sent):
        sent = (Message("system", _normalized(instructions)), *sent)
    return sent or None


def _tokens(attributes: Mapping[str, Any]) -> Tokens | None:
    counts = [synonyms.of(attributes) for synonyms in (names.TOKENS_IN, names.TOKENS_OUT)]
    return None if counts == [None, None] else Tokens(*map(as_int, counts))
