"""Durable steps of Pydantic AI, as `restate.ext.pydantic` writes them to the journal.

The result of "Model call" and "Model stream call" is a serialized ModelResponse; that of "Calling
{tool}" is a result with its kind; that of "get mcp tools" and "Calling mcp tool {name}" is an
output.
"""

from __future__ import annotations

from typing import Any

from playhead.conventions import (
    PYDANTIC_AI_MCP_LIST_STEP,
    PYDANTIC_AI_MCP_TOOL_STEP,
    PYDANTIC_AI_MODEL_STEPS,
    PYDANTIC_AI_TOOL_STEP,
)
from playhead.decode import parts
from playhead.model import LlmCall, Message, StepKind, Tokens, ToolCall
from playhead.values import as_dict, as_int, as_list, as_text

__all__ = ["kind", "llm_call", "tool_call"]

_TOOL_RESULTS = ["output", "call_deferred", "approval_required", "model_retry"]


def kind(name: str) -> StepKind | None:
    """Return the kind of the durable step with this name; None for other frameworks."""
    if name in PYDANTIC_AI_MODEL_STEPS:
        return "llm"
    is_tool = name == PYDANTIC_AI_MCP_LIST_STEP or name.startswith(PYDANTIC_AI_TOOL_STEP)
    return "tool" if is_tool else None


def llm_call(name: str, value: Any) -> LlmCall | None:
    """Return the answer in the result of a "Model call"; None when the result has another shape."""
    answer = as_dict(value)
    if name not in PYDANTIC_AI_MODEL_STEPS or not isinstance(answer.get("parts"), list):
        return None
    usage = as_dict(answer.get("usage"))
    tokens = Tokens(as_int(usage.get("input_tokens")), as_int(usage.get("output_tokens")))
    found = tuple(_part(as_dict(part)) for part in as_list(answer["parts"]))
    return parts.llm_call(
        [Message("assistant", found)],
        model=as_text(answer.get("model_name")),
        provider=as_text(answer.get("provider_name")),
        tokens=tokens if usage else None,
        finish_reason=as_text(answer.get("finish_reason")),
        cache_read_tokens=as_int(usage.get("cache_read_tokens")),
        cache_write_tokens=as_int(usage.get("cache_write_tokens")),
        response_id=as_text(answer.get("provider_response_id")),
    )


def tool_call(name: str, value: Any) -> ToolCall | None:
    """Return the tool call in the result of a step; the step has no arguments."""
    result = as_dict(value)
    if "output" not in result:
        return None
    if name == PYDANTIC_AI_MCP_LIST_STEP:
        return ToolCall(name, None, result=list(as_dict(result["output"])))
    if name.startswith(PYDANTIC_AI_MCP_TOOL_STEP):
        tool = name.removeprefix(PYDANTIC_AI_MCP_TOOL_STEP)
        return ToolCall(tool, None, result=result["output"])
    if not name.startswith(PYDANTIC_AI_TOOL_STEP) or result.get("kind") not in _TOOL_RESULTS:
        return None
    tool = name.removeprefix(PYDANTIC_AI_TOOL_STEP)
    if result["kind"] == "output":
        return ToolCall(tool, None, result=result["output"])
    return ToolCall(tool, None, result={result["kind"]: result.get("error")})


def _part(part: Any) -> parts.Part:
    """Convert a part of a ModelResponse."""
    call_id, tool = part.get("tool_call_id"), part.get("tool_name")
    match part.get("part_kind"):
        case "text":
            return parts.text(part.get("content"))
        case "thinking":
            return parts.reasoning(part.get("content"))
        case "tool-call" | "builtin-tool-call":
            return parts.tool_call(call_id, tool, part.get("args"))
        case "builtin-tool-return":
            return parts.tool_response(call_id, tool, part.get("content"))
        case kind:
            return parts.other(kind, part)
