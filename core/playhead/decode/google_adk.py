"""Google ADK's durable steps, as `restate.ext.adk` journals them.

"call LLM" holds an LlmResponse. Tools run in the handler, so that only what they make durable
themselves is in the journal; "store session" is the session on its way to the object's state.
"""

from __future__ import annotations

from typing import Any

from playhead.model import LlmCall, Message, StepKind, Tokens, ToolCall
from playhead.values import as_dict, as_int, as_list, as_text

__all__ = ["MODEL_STEPS", "kind", "llm_call", "tool_call"]

MODEL_STEPS = ("call LLM",)


def kind(name: str) -> StepKind | None:
    """What a durable step of this name is; None when it is not one of ours."""
    return "llm" if name in MODEL_STEPS else None


def llm_call(name: str, value: Any) -> LlmCall | None:
    """The model's answer in the result of a "call LLM"; None when it holds none."""
    answer = as_dict(value)
    if name not in MODEL_STEPS or not {"content", "usage_metadata"} <= answer.keys():
        return None
    usage = as_dict(answer["usage_metadata"])
    parts = tuple(
        shown
        for part in as_list(as_dict(answer["content"]).get("parts"))
        for shown in _parts(as_dict(part))
    )
    return LlmCall(
        model=as_text(answer.get("model_version")),
        provider=None,
        tokens=_tokens(usage) if usage else None,
        text="\n".join(str(p.get("content") or "") for p in parts if p["type"] == "text"),
        tool_calls=tuple(
            ToolCall(str(p["name"]), p["arguments"], p["id"])
            for p in parts
            if p["type"] == "tool_call"
        ),
        finish_reason=as_text(answer.get("finish_reason")) or as_text(answer.get("error_code")),
        response=(Message("assistant", parts),),
        cache_read_tokens=as_int(usage.get("cached_content_token_count")),
    )


def tool_call(name: str, value: Any) -> ToolCall | None:
    """Nothing: this integration journals no tool calls."""
    return None


def _tokens(usage: Any) -> Tokens:
    """What Gemini counts apart, results of tools in the prompt and thoughts, added up."""
    return Tokens(
        as_int(usage.get("prompt_token_count")) + as_int(usage.get("tool_use_prompt_token_count")),
        as_int(usage.get("candidates_token_count")) + as_int(usage.get("thoughts_token_count")),
    )


def _parts(part: Any) -> list[dict[str, Any]]:
    """A part of a Content, whose unused fields are null, in OpenTelemetry's GenAI words."""
    call = as_dict(part.get("function_call"))
    if call:
        return [
            {
                "type": "tool_call",
                "id": as_text(call.get("id")),
                "name": call.get("name"),
                "arguments": call.get("args"),
            }
        ]
    if part.get("text") is not None:
        return [{"type": "thinking" if part.get("thought") else "text", "content": part["text"]}]
    return [{"type": kind, **as_dict(held)} for kind, held in part.items() if as_dict(held)]
