"""Durable steps of Google ADK, as `restate.ext.adk` writes them to the journal.

The result of "call LLM" is an LlmResponse; that of "store session" is the session to be written to
the object's state. Tools run in the handler: the journal has only the steps that they create.
"""

from __future__ import annotations

from typing import Any

from playhead.conventions import GOOGLE_ADK_MODEL_STEPS
from playhead.decode import parts
from playhead.model import LlmCall, Message, StepKind, Tokens, ToolCall
from playhead.values import as_dict, as_int, as_list, as_text

__all__ = ["kind", "llm_call", "tool_call"]


def kind(name: str) -> StepKind | None:
    """Return the kind of the durable step with this name; None for other frameworks."""
    return "llm" if name in GOOGLE_ADK_MODEL_STEPS else None


def llm_call(name: str, value: Any) -> LlmCall | None:
    """Return the answer in the result of a "call LLM"; None when the result has another shape."""
    answer = as_dict(value)
    if name not in GOOGLE_ADK_MODEL_STEPS or not {"content", "usage_metadata"} <= answer.keys():
        return None
    usage = as_dict(answer["usage_metadata"])
    contents = as_list(as_dict(answer["content"]).get("parts"))
    found = tuple(part for content in contents for part in _parts(as_dict(content)))
    return parts.llm_call(
        [Message("assistant", found)],
        model=as_text(answer.get("model_version")),
        provider=None,
        tokens=_tokens(usage) if usage else None,
        finish_reason=as_text(answer.get("finish_reason")) or as_text(answer.get("error_code")),
        cache_read_tokens=as_int(usage.get("cached_content_token_count")),
    )


def tool_call(name: str, value: Any) -> ToolCall | None:
    """Return None: this integration writes no tool calls to the journal."""
    return None


def _tokens(usage: Any) -> Tokens:
    """Return the tokens, including tool results and thoughts, which Gemini counts separately."""
    return Tokens(
        as_int(usage.get("prompt_token_count")) + as_int(usage.get("tool_use_prompt_token_count")),
        as_int(usage.get("candidates_token_count")) + as_int(usage.get("thoughts_token_count")),
    )


def _parts(part: Any) -> list[parts.Part]:
    """Convert a part of a Content; its unused fields are null."""
    call = as_dict(part.get("function_call"))
    if call:
        return [parts.tool_call(call.get("id"), call.get("name"), call.get("args"))]
    if part.get("text") is not None:
        return [(parts.reasoning if part.get("thought") else parts.text)(part["text"])]
    return [parts.other(kind, as_dict(held)) for kind, held in part.items() if as_dict(held)]
