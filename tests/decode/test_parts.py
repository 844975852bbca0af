"""Parts of answers that the recordings do not hold, in the shapes that the frameworks document."""

from __future__ import annotations

from playhead.decode import google_adk, langchain, vercel_ai
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


def test_google_adk_adds_what_gemini_counts_apart() -> None:
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


def test_langchain_blocks_and_calls_that_stand_twice() -> None:
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
