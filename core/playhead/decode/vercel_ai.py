"""Durable steps of the Vercel AI SDK, as `@restatedev/vercel-ai-middleware` journals them.

The result of "calling {provider}" is that of the language model's `doGenerate`, wrapped by
superjson (`{"json": …, "meta": …}`). Tools run in the handler: the journal has only the steps that
they create.
"""

from __future__ import annotations

import re
from typing import Any

from playhead.conventions import VERCEL_AI_MODEL_STEP
from playhead.decode import parts
from playhead.model import LlmCall, Message, StepKind, Tokens, ToolCall
from playhead.values import as_dict, as_int, as_list, as_text

__all__ = ["kind", "llm_call", "tool_call"]

_STEP = re.compile(re.escape(VERCEL_AI_MODEL_STEP) + r"([a-z0-9][a-z0-9._-]*)")
"""Providers have names such as `openai.responses`, `amazon-bedrock`, `mock-provider`."""


def kind(name: str) -> StepKind | None:
    """Return the kind of the durable step with this name; None for other frameworks."""
    return "llm" if _STEP.fullmatch(name) else None


def llm_call(name: str, value: Any) -> LlmCall | None:
    """Return the answer in a step's result; None when the result has another shape."""
    step = _STEP.fullmatch(name)
    outer = as_dict(value)
    answer = as_dict(outer.get("json", outer))
    if step is None or not isinstance(answer.get("content"), list) or "usage" not in answer:
        return None
    usage = as_dict(answer["usage"])
    tokens = Tokens(_count(usage.get("inputTokens")), _count(usage.get("outputTokens")))
    found = tuple(_part(as_dict(part)) for part in as_list(answer["content"]))
    return parts.llm_call(
        [Message("assistant", found)],
        model=as_text(as_dict(answer.get("response")).get("modelId")),
        provider=step.group(1),
        tokens=tokens if usage else None,
        finish_reason=_reason(answer.get("finishReason")),
        cache_read_tokens=_cached(usage),
        response_id=as_text(as_dict(answer.get("response")).get("id")),
    )


def tool_call(name: str, value: Any) -> ToolCall | None:
    """Return None: this integration writes no tool calls to the journal."""
    return None


def _count(value: Any) -> int:
    """Return a number of tokens: plain up to version 5 of the SDK, `{"total": …}` since 6."""
    return as_int(as_dict(value).get("total", value))


def _cached(usage: Any) -> int:
    since_6 = as_dict(usage.get("inputTokens")).get("cacheRead")
    return as_int(usage.get("cachedInputTokens") if since_6 is None else since_6)


def _reason(value: Any) -> str | None:
    """Return why the answer ended: text up to version 5 of the SDK, `{"unified": …}` since 6."""
    return as_text(as_dict(value).get("unified", value))


def _part(part: Any) -> parts.Part:
    """Convert a content part."""
    call_id, tool = part.get("toolCallId"), part.get("toolName")
    match part.get("type"):
        case "text":
            return parts.text(part.get("text"))
        case "reasoning":
            return parts.reasoning(part.get("text"))
        case "tool-call":
            return parts.tool_call(call_id, tool, part.get("input"))
        case "tool-result":
            return parts.tool_response(call_id, tool, part.get("result"))
        case kind:
            return parts.other(kind, part)
