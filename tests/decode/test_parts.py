"""Message parts in shapes that frameworks and instrumentations document."""

from __future__ import annotations

from typing import Any

import pytest
from playhead.decode import google_adk, langchain, openai_agents, pydantic_ai, vercel_ai
from playhead.decode.prompts import plain_messages
from playhead.decode.spans import complete_prompt, messages
from playhead.model import Tokens


def test_vercel_ai_version_6_counts_and_reasons() -> None:
    answer = {
        "content": [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "Yes."}],
        "finishReason": {"unified": "stop", "raw": "end_turn"},
        "usage": {
            "inputTokens": {"total": 20, "noCache": 5, "cacheRead": 15},
            "outputTokens": {"total": 7, "text": 3, "reasoning": 4},
        },
        "response": {"modelId": "a-model"},
    }
    call = vercel_ai.llm_call("calling openai.responses", {"json": answer})
    assert call is not None
    assert (call.model, call.provider, call.text) == ("a-model", "openai.responses", "Yes.")
    assert call.tokens == Tokens(20, 7)
    assert call.cache_read_tokens == 15
    assert call.finish_reason == "stop"
    assert call.response[0].parts[0] == {"type": "reasoning", "content": "hm"}


def test_vercel_ai_with_a_plain_json_serde() -> None:
    answer = {
        "content": [{"type": "text", "text": "Yes."}],
        "usage": {"inputTokens": 1, "outputTokens": 2, "cachedInputTokens": 1},
    }
    call = vercel_ai.llm_call("calling amazon-bedrock", answer)
    assert call is not None
    assert (call.text, call.tokens, call.cache_read_tokens) == ("Yes.", Tokens(1, 2), 1)


def test_google_adk_adds_the_separate_counts_of_gemini() -> None:
    answer = {
        "content": {"parts": [{"text": "hm", "thought": True}, {"text": "Yes.", "thought": None}]},
        "usage_metadata": {
            "prompt_token_count": 10,
            "tool_use_prompt_token_count": 5,
            "candidates_token_count": 2,
            "thoughts_token_count": 3,
            "cached_content_token_count": 4,
        },
    }
    call = google_adk.llm_call("call LLM", answer)
    assert call is not None
    assert (call.text, call.tokens, call.cache_read_tokens) == ("Yes.", Tokens(15, 5), 4)


def test_google_adk_error_of_the_model_is_the_reason_it_ended() -> None:
    answer = {"content": None, "usage_metadata": None, "error_code": "SAFETY"}
    call = google_adk.llm_call("call LLM", answer)
    assert call is not None
    assert (call.text, call.tokens, call.finish_reason) == ("", None, "SAFETY")


def test_langchain_blocks_and_duplicate_calls() -> None:
    message = {
        "type": "ai",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}},
        ],
        "tool_calls": [{"id": "t1", "name": "look", "args": {"a": 1}}],
        "invalid_tool_calls": [{"id": "t2", "name": "look", "args": '{"a": ', "error": "cut"}],
        "response_metadata": {"model": "claude", "stop_reason": "tool_use"},
        "usage_metadata": {
            "input_tokens": 9,
            "output_tokens": 3,
            "input_token_details": {"cache_read": 2, "cache_creation": 1},
        },
    }
    call = langchain.llm_call("LLM call", {"result": [message]})
    assert call is not None
    assert [part["type"] for part in call.response[0].parts] == [
        "reasoning", "text", "tool_call", "tool_call",
    ]  # fmt: skip
    assert [(c.call_id, c.arguments) for c in call.tool_calls] == [
        ("t1", {"a": 1}),
        ("t2", '{"a": '),
    ]
    assert (call.model, call.finish_reason, call.tokens) == ("claude", "tool_use", Tokens(9, 3))
    assert (call.cache_read_tokens, call.cache_write_tokens) == (2, 1)


def test_every_framework_writes_reasoning_and_tool_calls_alike() -> None:
    call = {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"a": 1}}
    answers = [
        pydantic_ai.llm_call("Model call", {"parts": [
            {"part_kind": "thinking", "content": "hm"},
            {"part_kind": "tool-call", "tool_call_id": "c1", "tool_name": "look",
             "args": '{"a": 1}'},
        ]}),
        openai_agents.llm_call("call LLM", {"output": [
            {"type": "reasoning", "summary": [{"text": "hm"}]},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"a": 1}'},
        ]}),
        google_adk.llm_call("call LLM", {"usage_metadata": None, "content": {"parts": [
            {"text": "hm", "thought": True},
            {"function_call": {"id": "c1", "name": "look", "args": {"a": 1}}},
        ]}}),
        langchain.llm_call("LLM call", {"result": [{
            "type": "ai", "content": [{"type": "reasoning", "reasoning": "hm"}],
            "tool_calls": [{"id": "c1", "name": "look", "args": {"a": 1}}],
        }]}),
        vercel_ai.llm_call("calling openai", {"usage": {}, "content": [
            {"type": "reasoning", "text": "hm"},
            {"type": "tool-call", "toolCallId": "c1", "toolName": "look", "input": '{"a": 1}'},
        ]}),
    ]  # fmt: skip
    for answer in answers:
        assert answer is not None
        assert answer.response[0].parts == ({"type": "reasoning", "content": "hm"}, call)
        assert [(c.name, c.arguments, c.call_id) for c in answer.tool_calls] == [
            ("look", {"a": 1}, "c1")
        ]


def test_results_of_a_providers_own_tools_are_responses() -> None:
    response = {"type": "tool_call_response", "id": "c1", "name": "search", "response": [1]}
    returned = {"part_kind": "builtin-tool-return", "tool_call_id": "c1", "tool_name": "search",
                "content": [1]}  # fmt: skip
    found = pydantic_ai.llm_call("Model call", {"parts": [returned]})
    assert found is not None
    assert found.response[0].parts == (response,)
    result = {"type": "tool-result", "toolCallId": "c1", "toolName": "search", "result": [1]}
    found = vercel_ai.llm_call("calling openai", {"content": [result], "usage": {}})
    assert found is not None
    assert found.response[0].parts == (response,)


@pytest.mark.parametrize(
    ("sent", "normal"),
    [
        ({"type": "thinking", "content": "hm"}, {"type": "reasoning", "content": "hm"}),
        ({"type": "tool_call_response", "id": "c1", "name": "look", "result": 3},
         {"type": "tool_call_response", "id": "c1", "name": "look", "response": 3}),
        ({"type": "tool_call_response", "id": "c1", "response": 3, "result": 4},
         {"type": "tool_call_response", "id": "c1", "response": 3, "result": 4}),
        ({"type": "tool_call", "id": "c1", "name": "look", "arguments": '{"a": 1}'},
         {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"a": 1}}),
        ({"type": "text"}, {"type": "text"}),
        ({"type": "uri", "uri": "https://example.com/a.png"},
         {"type": "uri", "uri": "https://example.com/a.png"}),
    ],
)  # fmt: skip
def test_spans_use_the_parts_of_the_conventions(
    sent: dict[str, Any], normal: dict[str, Any]
) -> None:
    [message] = messages([{"role": "user", "parts": [sent]}])
    assert message.parts == (normal,)


def test_spans_of_the_installed_pydantic_ai() -> None:
    """The spans of the installed version become the conventions' parts."""
    from pydantic_ai.messages import (
        ModelRequest,
        ModelResponse,
        ThinkingPart,
        ToolCallPart,
        ToolReturnPart,
        UserPromptPart,
    )
    from pydantic_ai.models.instrumented import InstrumentationSettings

    written: Any = InstrumentationSettings().messages_to_otel_messages([
        ModelRequest(parts=[UserPromptPart("Well?")]),
        ModelResponse(parts=[ThinkingPart("hm"), ToolCallPart("look", {"a": 1}, "c1")]),
        ModelRequest(parts=[ToolReturnPart("look", {"b": 2}, "c1")]),
    ])  # fmt: skip
    found = [part for message in messages(written) for part in message.parts]
    assert [part["type"] for part in found] == [
        "text", "reasoning", "tool_call", "tool_call_response",
    ]  # fmt: skip
    assert found[2]["arguments"] == {"a": 1}
    assert found[3]["response"] == {"b": 2}
    prompt = complete_prompt({"gen_ai.input.messages": written})
    assert prompt is not None
    assert [message["text"] for message in plain_messages(prompt)] == [
        "Well?", 'look({"a": 1})', 'look → {"b": 2}',
    ]  # fmt: skip
