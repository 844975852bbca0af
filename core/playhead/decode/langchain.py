"""Durable steps of LangChain, as `restate.ext.langchain` writes them to the journal.

The result of "LLM call" has the messages that a model returned and its structured answer, if any.
Tools run in the handler: the journal has only the steps that they create.
"""

from __future__ import annotations

from typing import Any

from playhead.conventions import LANGCHAIN_MODEL_STEPS
from playhead.decode import parts
from playhead.model import LlmCall, Message, StepKind, Tokens, ToolCall
from playhead.values import as_dict, as_int, as_list, as_text

__all__ = ["kind", "llm_call", "tool_call"]


def kind(name: str) -> StepKind | None:
    """Return the kind of the durable step with this name; None for other frameworks."""
    return "llm" if name in LANGCHAIN_MODEL_STEPS else None


def llm_call(name: str, value: Any) -> LlmCall | None:
    """Return the answer in the result of an "LLM call"; None when the result has another shape."""
    messages = [as_dict(message) for message in as_list(as_dict(value).get("result"))]
    answers = [message for message in messages if message.get("type") == "ai"]
    if name not in LANGCHAIN_MODEL_STEPS or not answers:
        return None
    usages = [usage for message in answers if (usage := as_dict(message.get("usage_metadata")))]
    metadata = as_dict(answers[-1].get("response_metadata"))
    return parts.llm_call(
        [Message("assistant", tuple(_parts(message))) for message in answers],
        model=as_text(metadata.get("model_name")) or as_text(metadata.get("model")),
        provider=as_text(metadata.get("model_provider")),
        tokens=sum((_tokens(usage) for usage in usages), Tokens()) if usages else None,
        finish_reason=as_text(metadata.get("finish_reason"))
        or as_text(metadata.get("stop_reason")),
        cache_read_tokens=sum(_detail(usage, "cache_read") for usage in usages),
        cache_write_tokens=sum(_detail(usage, "cache_creation") for usage in usages),
        response_id=as_text(metadata.get("id")),
    )


def tool_call(name: str, value: Any) -> ToolCall | None:
    """Return None: this integration writes no tool calls to the journal."""
    return None


def _tokens(usage: Any) -> Tokens:
    return Tokens(as_int(usage.get("input_tokens")), as_int(usage.get("output_tokens")))


def _detail(usage: Any, name: str) -> int:
    return as_int(as_dict(usage.get("input_token_details")).get(name))


def _parts(message: Any) -> list[parts.Part]:
    """Convert a message: its content blocks, then its tool calls."""
    content = message.get("content")
    blocks = [content] if isinstance(content, str) else as_list(content)
    calls = [*as_list(message.get("tool_calls")), *as_list(message.get("invalid_tool_calls"))]
    return [
        *(_block(block) for block in blocks if block and not _is_call(block)),
        *(
            parts.tool_call(call.get("id"), call.get("name"), call.get("args"))
            for call in map(as_dict, calls)
        ),
    ]


def _is_call(block: Any) -> bool:
    """Return whether the block repeats a tool call of `tool_calls`."""
    return as_dict(block).get("type") in ("tool_use", "tool_call", "function_call")


def _block(block: Any) -> parts.Part:
    if isinstance(block, str):
        return parts.text(block)
    found = as_dict(block)
    match found.get("type"):
        case "text":
            return parts.text(found.get("text"))
        case "thinking" | "reasoning" as kind:
            return parts.reasoning(found.get(kind))
        case kind:
            return parts.other(kind, found)
