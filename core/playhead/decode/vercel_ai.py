"""The Vercel AI SDK's durable steps, as `@restatedev/vercel-ai-middleware` journals them.

"calling {provider}" holds the result of the language model's `doGenerate`, wrapped by superjson
(`{"json": …, "meta": …}`). Tools run in the handler, so that only what they make durable
themselves is in the journal.
"""

from __future__ import annotations

import re
from typing import Any

from playhead.model import LlmCall, Message, StepKind, Tokens, ToolCall
from playhead.values import as_dict, as_int, as_json, as_list, as_text

__all__ = ["MODEL_STEPS", "kind", "llm_call", "tool_call"]

MODEL_STEPS = ("calling %",)
"""The provider stands behind the word."""
_STEP = re.compile(r"calling ([a-z0-9][a-z0-9._-]*)")
"""Providers are spelled like `openai.responses`, `amazon-bedrock`, `mock-provider`."""


def kind(name: str) -> StepKind | None:
    """What a durable step of this name is; None when it is not one of ours."""
    return "llm" if _STEP.fullmatch(name) else None


def llm_call(name: str, value: Any) -> LlmCall | None:
    """The model's answer in the result of a "calling {provider}"; None when it holds none."""
    step = _STEP.fullmatch(name)
    outer = as_dict(value)
    answer = as_dict(outer.get("json", outer))
    if step is None or not isinstance(answer.get("content"), list) or "usage" not in answer:
        return None
    parts = tuple(_part(as_dict(part)) for part in as_list(answer["content"]))
    usage = as_dict(answer["usage"])
    tokens = Tokens(_count(usage.get("inputTokens")), _count(usage.get("outputTokens")))
    return LlmCall(
        model=as_text(as_dict(answer.get("response")).get("modelId")),
        provider=step.group(1),
        tokens=tokens if usage else None,
        text="\n".join(str(p.get("content") or "") for p in parts if p["type"] == "text"),
        tool_calls=tuple(
            ToolCall(str(p["name"]), p["arguments"], p["id"])
            for p in parts
            if p["type"] == "tool_call"
        ),
        finish_reason=_reason(answer.get("finishReason")),
        response=(Message("assistant", parts),),
        cache_read_tokens=_cached(usage),
    )


def tool_call(name: str, value: Any) -> ToolCall | None:
    """Nothing: this integration journals no tool calls."""
    return None


def _count(value: Any) -> int:
    """A number of tokens: plain up to version 5 of the SDK, `{"total": …}` since version 6."""
    return as_int(as_dict(value).get("total", value))


def _cached(usage: Any) -> int:
    since_6 = as_dict(usage.get("inputTokens")).get("cacheRead")
    return as_int(usage.get("cachedInputTokens") if since_6 is None else since_6)


def _reason(value: Any) -> str | None:
    """Why it ended: a word up to version 5 of the SDK, `{"unified": …}` since version 6."""
    return as_text(as_dict(value).get("unified", value))


def _part(part: Any) -> dict[str, Any]:
    """A content part in the words of OpenTelemetry's GenAI conventions."""
    match part.get("type"):
        case "text":
            return {"type": "text", "content": part.get("text")}
        case "reasoning":
            return {"type": "thinking", "content": part.get("text")}
        case "tool-call":
            return {
                "type": "tool_call",
                "id": as_text(part.get("toolCallId")),
                "name": part.get("toolName"),
                "arguments": as_json(part.get("input")),
            }
        case other:
            return {**part, "type": str(other)}
