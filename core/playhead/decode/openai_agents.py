"""Durable steps of the OpenAI Agents SDK, as `restate.ext.openai` writes them to the journal.

The result of "call LLM" has output items of the Responses API, usage and a response id. Tools run
in the handler: the journal has only the steps that they create.
"""

from __future__ import annotations

from typing import Any

from playhead.conventions import OPENAI_AGENTS_MODEL_STEPS
from playhead.decode import parts
from playhead.model import LlmCall, Message, StepKind, Tokens, ToolCall
from playhead.values import as_dict, as_int, as_list, as_text

__all__ = ["kind", "llm_call", "tool_call"]


def kind(name: str) -> StepKind | None:
    """Return the kind of the durable step with this name; None for other frameworks."""
    return "llm" if name in OPENAI_AGENTS_MODEL_STEPS else None


def llm_call(name: str, value: Any) -> LlmCall | None:
    """Return the answer in the result of a "call LLM"; None when the result has another shape."""
    answer = as_dict(value)
    if name not in OPENAI_AGENTS_MODEL_STEPS or not isinstance(answer.get("output"), list):
        return None
    usage = as_dict(answer.get("usage"))
    tokens = Tokens(as_int(usage.get("input_tokens")), as_int(usage.get("output_tokens")))
    found = tuple(part for item in as_list(answer["output"]) for part in _parts(as_dict(item)))
    return parts.llm_call(
        [Message("assistant", found)],
        model=None,
        provider="openai",
        tokens=tokens if usage else None,
        cache_read_tokens=as_int(as_dict(usage.get("input_tokens_details")).get("cached_tokens")),
        response_id=as_text(answer.get("response_id")),
    )


def tool_call(name: str, value: Any) -> ToolCall | None:
    """Return None: this integration writes no tool calls to the journal."""
    return None


def _parts(item: Any) -> list[parts.Part]:
    """Convert an output item."""
    match item.get("type"):
        case "message":
            contents = [as_dict(content) for content in as_list(item.get("content"))]
            return [
                parts.text(content.get("text") or content.get("refusal")) for content in contents
            ]
        case "function_call":
            return [parts.tool_call(item.get("call_id"), item.get("name"), item.get("arguments"))]
        case "reasoning":
            summary = [as_dict(part).get("text", "") for part in as_list(item.get("summary"))]
            return [parts.reasoning("\n".join(map(str, summary)))]
        case kind:
            return [parts.other(kind, item)]
