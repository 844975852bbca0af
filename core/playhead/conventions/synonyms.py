"""Attributes of LLM calls and tools, with their names in each convention.

OpenTelemetry's GenAI conventions come first, then their older names, OpenInference
(https://github.com/Arize-ai/openinference/tree/main/spec), OpenLLMetry, and Vercel's AI SDK
(https://ai-sdk.dev/docs/ai-sdk-core/telemetry).
"""

from __future__ import annotations

from playhead.conventions import names
from playhead.conventions.rules import Synonyms

__all__ = [
    "AGENT_NAMES",
    "CACHE_READ",
    "CACHE_WRITE",
    "FINISH_REASON",
    "MODEL",
    "PROMPT",
    "PROVIDER_NAME",
    "REASONING",
    "RESPONSE",
    "RESPONSE_IDS",
    "TOKENS_IN",
    "TOKENS_OUT",
    "TOOL_CALL_ARGUMENTS",
    "TOOL_CALL_IDS",
    "TOOL_CALL_NAME",
    "TOOL_CALL_RESULT",
]

AGENT_NAMES = Synonyms((names.AGENT_NAME, "agent.name"))
PROVIDER_NAME = Synonyms(
    (names.PROVIDER, names.PROVIDER_DEPRECATED, "llm.provider", "llm.system", "ai.model.provider")
)
MODEL = Synonyms(
    (names.RESPONSE_MODEL, names.REQUEST_MODEL, "llm.model_name", "ai.response.model",
     "ai.model.id")
)  # fmt: skip
TOKENS_IN = Synonyms(
    (names.INPUT_TOKENS, "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
     "llm.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens")
)  # fmt: skip
TOKENS_OUT = Synonyms(
    (names.OUTPUT_TOKENS, "gen_ai.usage.completion_tokens", "llm.token_count.completion",
     "llm.usage.completion_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens")
)  # fmt: skip
CACHE_READ = Synonyms(
    (names.CACHE_READ_TOKENS, "gen_ai.usage.cache_read_input_tokens",
     "llm.token_count.prompt_details.cache_read", "ai.usage.cachedInputTokens")
)  # fmt: skip
CACHE_WRITE = Synonyms(
    (names.CACHE_WRITE_TOKENS, "gen_ai.usage.cache_creation_input_tokens",
     "llm.token_count.prompt_details.cache_write")
)  # fmt: skip
REASONING = Synonyms(
    ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.details.reasoning_tokens",
     "gen_ai.usage.reasoning_tokens", "llm.token_count.completion_details.reasoning",
     "llm.usage.reasoning_tokens", "ai.usage.reasoningTokens")
)  # fmt: skip
"""The part of the output tokens that the model thought with."""
FINISH_REASON = Synonyms(
    ("llm.finish_reason", "ai.response.finishReason", "gen_ai.completion.0.finish_reason")
)
"""Why the answer ended, as one value."""
RESPONSE_IDS = Synonyms((names.RESPONSE_ID, "ai.response.id"))
PROMPT = Synonyms((names.INPUT_MESSAGES, "input.value", "ai.prompt.messages"))
"""The prompt as one value; OpenInference and OpenLLMetry also have an attribute per part."""
RESPONSE = Synonyms((names.OUTPUT_MESSAGES, "output.value", "ai.response.text"))
TOOL_CALL_NAME = Synonyms(
    (names.TOOL_NAME, "tool.name", "ai.toolCall.name", "traceloop.entity.name")
)
TOOL_CALL_IDS = Synonyms((names.TOOL_CALL_ID, "tool.id", "tool_call.id", "ai.toolCall.id"))
TOOL_CALL_ARGUMENTS = Synonyms(
    (names.TOOL_ARGUMENTS, "tool_arguments", "ai.toolCall.args", "input.value",
     "traceloop.entity.input")
)  # fmt: skip
TOOL_CALL_RESULT = Synonyms(
    (names.TOOL_RESULT, "tool_response", "ai.toolCall.result", "output.value",
     "traceloop.entity.output")
)  # fmt: skip
