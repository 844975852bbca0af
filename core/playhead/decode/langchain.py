"""LangChain's durable steps, as `restate.ext.langchain` journals them.

"LLM call" holds the messages that a model gave and a structured answer, if any. Tools run in the
handler, so that only what they make durable themselves is in the journal.
"""

from __future__ import annotations

from typing import Any

from playhead.model import LlmCall, Message, StepKind, Tokens, ToolCall
from playhead.values import as_dict, as_int, as_json, as_list, as_text

__all__ = ["MODEL_STEPS", "kind", "llm_call", "tool_call"]

MODEL_STEPS = ("LLM call",)


def kind(name: str) -> StepKind | None:
    """What a durable step of this name is; None when it is not one of ours."""
    return "llm" if name in MODEL_STEPS else None


def llm_call(name: str, value: Any) -> LlmCall | None:
    """The model's answer in the result of an "LLM call"; None when it holds none."""
    messages = [as_dict(message) for message in as_list(as_dict(value).get("result"))]
    said = [message for message in messages if message.get("type") == "ai"]
    if name not in MODEL_STEPS or not said:
        return None
    usages = [as_dict(message["usage_metadata"]) for message in said if _has_usage(message)]
    about = as_dict(said[-1].get("response_metadata"))
    parts = [tuple(_parts(message)) for message in said]
    every = [part for one in parts for part in one]
    return LlmCall(
        model=as_text(about.get("model_name")) or as_text(about.get("model")),
        provider=as_text(about.get("model_provider")),
        tokens=sum((_tokens(usage) for usage in usages), Tokens()) if usages else None,
        text="\n".join(str(p.get("content") or "") for p in every if p["type"] == "text"),
        tool_calls=tuple(
            ToolCall(str(p["name"]), p["arguments"], p["id"])
            for p in every
            if p["type"] == "tool_call"
        ),
        finish_reason=as_text(about.get("finish_reason")) or as_text(about.get("stop_reason")),
        response=tuple(Message("assistant", one) for one in parts),
        cache_read_tokens=sum(_detail(usage, "cache_read") for usage in usages),
        cache_write_tokens=sum(_detail(usage, "cache_creation") for usage in usages),
    )


def tool_call(name: str, value: Any) -> ToolCall | None:
    """Nothing: this integration journals no tool calls."""
    return None


def _has_usage(message: Any) -> bool:
    return bool(as_dict(message.get("usage_metadata")))


def _tokens(usage: Any) -> Tokens:
    return Tokens(as_int(usage.get("input_tokens")), as_int(usage.get("output_tokens")))


def _detail(usage: Any, name: str) -> int:
    return as_int(as_dict(usage.get("input_token_details")).get(name))


def _parts(message: Any) -> list[dict[str, Any]]:
    """A message in the words of OpenTelemetry's GenAI conventions: contents, then tool calls."""
    content = message.get("content")
    blocks = [content] if isinstance(content, str) else as_list(content)
    shown = [_block(block) for block in blocks if block and not _is_call(block)]
    calls = [*as_list(message.get("tool_calls")), *as_list(message.get("invalid_tool_calls"))]
    return shown + [
        {
            "type": "tool_call",
            "id": as_text(call.get("id")),
            "name": call.get("name"),
            "arguments": as_json(call.get("args")),
        }
        for call in map(as_dict, calls)
    ]


def _is_call(block: Any) -> bool:
    """Providers repeat tool calls among the contents; they stand in `tool_calls` as well."""
    return as_dict(block).get("type") in ("tool_use", "tool_call", "function_call")


def _block(block: Any) -> dict[str, Any]:
    if isinstance(block, str):
        return {"type": "text", "content": block}
    found = as_dict(block)
    match found.get("type"):
        case "text":
            return {"type": "text", "content": found.get("text")}
        case "thinking" | "reasoning" as kind:
            return {"type": "thinking", "content": found.get(kind)}
        case other:
            return {**found, "type": str(other)}
