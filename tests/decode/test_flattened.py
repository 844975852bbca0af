"""LLM calls in spans of OpenInference, OpenLLMetry and Vercel's AI SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openinference.semconv.trace import MessageAttributes, SpanAttributes, ToolCallAttributes
from playhead.conventions import ANSWERED_LLM_CALL, LLM_CALL, TOOL_CALL
from playhead.decode.spans import call_of
from playhead.model import Tokens, ToolCall

CALL = ToolCall("get_weather", {"city": "Denver"}, "call-1")


def openinference() -> dict[str, Any]:
    sent, received = SpanAttributes.LLM_INPUT_MESSAGES, SpanAttributes.LLM_OUTPUT_MESSAGES
    called = f"{received}.0.{MessageAttributes.MESSAGE_TOOL_CALLS}.0"
    return {
        SpanAttributes.OPENINFERENCE_SPAN_KIND: "LLM",
        SpanAttributes.LLM_MODEL_NAME: "gpt",
        SpanAttributes.LLM_PROVIDER: "openai",
        SpanAttributes.LLM_TOKEN_COUNT_PROMPT: 72,
        SpanAttributes.LLM_TOKEN_COUNT_COMPLETION: 14,
        f"{sent}.0.{MessageAttributes.MESSAGE_ROLE}": "system",
        f"{sent}.0.{MessageAttributes.MESSAGE_CONTENT}": "Be brief.",
        f"{sent}.10.{MessageAttributes.MESSAGE_ROLE}": "user",
        f"{sent}.10.{MessageAttributes.MESSAGE_CONTENT}": "The weather?",
        f"{received}.0.{MessageAttributes.MESSAGE_ROLE}": "assistant",
        f"{called}.{ToolCallAttributes.TOOL_CALL_ID}": "call-1",
        f"{called}.{ToolCallAttributes.TOOL_CALL_FUNCTION_NAME}": "get_weather",
        f"{called}.{ToolCallAttributes.TOOL_CALL_FUNCTION_ARGUMENTS_JSON}": '{"city": "Denver"}',
    }


def openllmetry() -> dict[str, Any]:
    return {
        "llm.request.type": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.usage.prompt_tokens": 72,
        "gen_ai.usage.completion_tokens": 14,
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "Be brief.",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "The weather?",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.tool_calls.0.id": "call-1",
        "gen_ai.completion.0.tool_calls.0.name": "get_weather",
        "gen_ai.completion.0.tool_calls.0.arguments": '{"city": "Denver"}',
    }


def vercel_ai() -> dict[str, Any]:
    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "The weather?"}]},
    ]
    called = {"toolCallId": "call-1", "toolName": "get_weather", "args": {"city": "Denver"}}
    return {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "gpt",
        "ai.model.provider": "openai",
        "ai.usage.promptTokens": 72,
        "ai.usage.completionTokens": 14,
        "ai.prompt.messages": json.dumps(asked),
        "ai.response.toolCalls": json.dumps([called]),
    }


@pytest.mark.parametrize("make", [openinference, openllmetry, vercel_ai])
def test_an_llm_call_is_read_from_every_convention(make: Any) -> None:
    attributes = make()
    assert ANSWERED_LLM_CALL.matches(attributes, ended=True, status="unset")
    call = call_of(attributes)
    assert (call.model, call.provider, call.tokens) == ("gpt", "openai", Tokens(72, 14))
    assert call.prompt is not None
    assert [(m.role, m.text) for m in call.prompt] == [
        ("system", "Be brief."),
        ("user", "The weather?"),
    ]
    assert call.tool_calls == (CALL,)


def test_the_span_around_the_requests_of_vercels_sdk_is_no_call() -> None:
    outer = {**vercel_ai(), "ai.operationId": "ai.generateText"}
    assert not LLM_CALL.matches(outer, ended=True, status="unset")


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "execute_tool"},
        {"openinference.span.kind": "TOOL"},
        {"traceloop.span.kind": "tool"},
        {"ai.operationId": "ai.toolCall"},
    ],
)
def test_tools_of_every_convention(attributes: dict[str, Any]) -> None:
    assert TOOL_CALL.matches(attributes, ended=True, status="unset")
