"""The OpenAI Agents SDK's durable steps, as `restate.ext.openai` journals them.

"call LLM" holds output items of the Responses API, usage and a response id. Tools run in the
handler, so that only what they make durable themselves is in the journal.
"""

from __future__ import annotations

from typing import Any

from playhead.model import LlmCall, Message, StepKind, Tokens, ToolCall
from playhead.values import as_dict, as_int, as_json, as_list, as_text

__all__ = ["MODEL_STEPS", "kind", "llm_call", "tool_call"]

MODEL_STEPS = ("call LLM",)


def kind(name: str) -> StepKind | None:
    """What a durable step of this name is; None when it is not one of ours."""
    return "llm" if name in MODEL_STEPS else None


def llm_call(name: str, value: Any) -> LlmCall | None:
    """The model's answer in the result of a "call LLM"; None when it holds none."""
    answer = as_dict(value)
    if name not in MODEL_STEPS or not isinstance(answer.get("output"), list):
        return None
    items = [as_dict(item) for item in as_list(answer["output"])]
    usage = as_dict(answer.get("usage"))
    details = as_dict(usage.get("input_tokens_details"))
    parts = tuple(part for item in items for part in _parts(item))
    return LlmCall(
        model=None,
        provider="openai",
        tokens=Tokens(as_int(usage.get("input_tokens")), as_int(usage.get("output_tokens")))
        if usage
        else None,
        text="\n".join(str(p.get("content") or "") for p in parts if p["type"] == "text"),
        tool_calls=tuple(
            ToolCall(str(p["name"]), p["arguments"], p["id"])
            for p in parts
            if p["type"] == "tool_call"
        ),
        response=(Message("assistant", parts),),
        cache_read_tokens=as_int(details.get("cached_tokens")),
    )


def tool_call(name: str, value: Any) -> ToolCall | None:
    """Nothing: this integration journals no tool calls."""
    return None


def _parts(item: Any) -> list[dict[str, Any]]:
    """An output item in the words of OpenTelemetry's GenAI conventions."""
    match item.get("type"):
        case "message":
            contents = [as_dict(content) for content in as_list(item.get("content"))]
            return [
                {"type": "text", "content": content.get("text") or content.get("refusal")}
                for content in contents
            ]
        case "function_call":
            return [
                {
                    "type": "tool_call",
                    "id": as_text(item.get("call_id")),
                    "name": item.get("name"),
                    "arguments": as_json(item.get("arguments")),
                }
            ]
        case "reasoning":
            summary = [as_dict(part).get("text", "") for part in as_list(item.get("summary"))]
            return [{"type": "thinking", "content": "\n".join(map(str, summary))}]
        case other:
            return [{**item, "type": str(other)}]
