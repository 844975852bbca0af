"""Pydantic AI's durable steps, as `restate.ext.pydantic` journals them.

"Model call" and "Model stream call" hold a serialised ModelResponse; "Calling {tool}" a result
with its kind; "get mcp tools" and "Calling mcp tool {name}" an output.
"""

from __future__ import annotations

from typing import Any

from playhead.model import LlmCall, Message, StepKind, Tokens, ToolCall
from playhead.values import as_dict, as_int, as_json, as_list, as_text

__all__ = ["MODEL_STEPS", "kind", "llm_call", "tool_call"]

MODEL_STEPS = ("Model call", "Model stream call")
_MCP_LIST = "get mcp tools"
_MCP_TOOL = "Calling mcp tool "
_TOOL = "Calling "
_TOOL_RESULTS = ["output", "call_deferred", "approval_required", "model_retry"]


def kind(name: str) -> StepKind | None:
    """What a durable step of this name is; None when it is not one of ours."""
    if name in MODEL_STEPS:
        return "llm"
    return "tool" if name == _MCP_LIST or name.startswith(_TOOL) else None


def llm_call(name: str, value: Any) -> LlmCall | None:
    """The model's answer in the result of a "Model call"; None when it holds none."""
    answer = as_dict(value)
    if name not in MODEL_STEPS or not isinstance(answer.get("parts"), list):
        return None
    parts = [as_dict(part) for part in as_list(answer["parts"])]
    usage = as_dict(answer.get("usage"))
    tokens = Tokens(as_int(usage.get("input_tokens")), as_int(usage.get("output_tokens")))
    return LlmCall(
        model=as_text(answer.get("model_name")),
        provider=as_text(answer.get("provider_name")),
        tokens=tokens if usage else None,
        text="\n".join(
            str(part.get("content", "")) for part in parts if part.get("part_kind") == "text"
        ),
        tool_calls=tuple(
            ToolCall(str(part.get("tool_name")), as_json(part.get("args")), _call_id(part))
            for part in parts
            if part.get("part_kind") in ("tool-call", "builtin-tool-call")
        ),
        finish_reason=as_text(answer.get("finish_reason")),
        response=(Message("assistant", tuple(_part(part) for part in parts)),),
        cache_read_tokens=as_int(usage.get("cache_read_tokens")),
        cache_write_tokens=as_int(usage.get("cache_write_tokens")),
    )


def tool_call(name: str, value: Any) -> ToolCall | None:
    """The tool's result in the result of its step; arguments are not in it."""
    result = as_dict(value)
    if "output" not in result:
        return None
    if name == _MCP_LIST:
        return ToolCall(_MCP_LIST, None, result=list(as_dict(result["output"])))
    if name.startswith(_MCP_TOOL):
        return ToolCall(name.removeprefix(_MCP_TOOL), None, result=result["output"])
    if not name.startswith(_TOOL) or result.get("kind") not in _TOOL_RESULTS:
        return None
    tool = name.removeprefix(_TOOL)
    if result["kind"] == "output":
        return ToolCall(tool, None, result=result["output"])
    return ToolCall(tool, None, result={result["kind"]: result.get("error")})


def _call_id(part: Any) -> str | None:
    return as_text(part.get("tool_call_id"))


def _part(part: Any) -> dict[str, Any]:
    """A part of a ModelResponse in the words of OpenTelemetry's GenAI conventions."""
    match part.get("part_kind"):
        case "text":
            return {"type": "text", "content": part.get("content")}
        case "thinking":
            return {"type": "thinking", "content": part.get("content")}
        case "tool-call" | "builtin-tool-call":
            return {
                "type": "tool_call",
                "id": _call_id(part),
                "name": part.get("tool_name"),
                "arguments": as_json(part.get("args")),
            }
        case other:
            return {**part, "type": str(other)}
