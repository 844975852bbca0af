"""Names of spans, attributes and durable steps.

Span attributes follow OpenTelemetry's GenAI semantic conventions (`gen_ai.*`), Restate's server
(`restate.*`) and the tracing bridge (`playhead.*`, documented in docs/tracing.md). The bridge is a
separate distribution and repeats its names; tests/conventions compares the two.
"""

from __future__ import annotations

__all__ = [
    "AGENT_NAME",
    "ATTEMPT_NUMBER",
    "ATTEMPT_SPAN",
    "ATTEMPT_SPAN_ID",
    "AWAKEABLE_EVENT",
    "AWAKEABLE_ID",
    "CACHE_READ_TOKENS",
    "CACHE_WRITE_TOKENS",
    "COMMANDS",
    "COMMAND_EVENT",
    "COMMAND_INDEX",
    "COMMAND_NAME",
    "COMMAND_TYPE",
    "COMPLETION_ID",
    "CONVERSATION_ID",
    "DEPLOYMENT_ID",
    "END_SPAN",
    "FINISH_REASONS",
    "GOOGLE_ADK_MODEL_STEPS",
    "INGRESS_SPAN",
    "INPUT_MESSAGES",
    "INPUT_TOKENS",
    "INSTANCE_ID",
    "INTERRUPTED",
    "INVOCATION_ID",
    "INVOCATION_TARGET",
    "LANGCHAIN_MODEL_STEPS",
    "LIFECYCLE",
    "LLM_OPERATIONS",
    "LOGICAL_SPAN_ID",
    "MODEL_OPERATIONS",
    "MODEL_STEPS",
    "OPENAI_AGENTS_MODEL_STEPS",
    "OPERATION",
    "OPERATION_VERCEL_AI",
    "OUTPUT_MESSAGES",
    "OUTPUT_TOKENS",
    "PENDING",
    "PROVIDER",
    "PROVIDER_DEPRECATED",
    "PYDANTIC_AI_MCP_LIST_STEP",
    "PYDANTIC_AI_MCP_TOOL_STEP",
    "PYDANTIC_AI_MODEL_STEPS",
    "PYDANTIC_AI_SCOPE",
    "PYDANTIC_AI_TOOL_STEP",
    "REDACTED",
    "REPLAYED",
    "REQUEST_MODEL",
    "REQUEST_TYPE_OPENLLMETRY",
    "RESPONSE_ID",
    "RESPONSE_MODEL",
    "SERVER_MARKS",
    "SERVER_SERVICE",
    "SESSION_ID",
    "SPAN_KIND_OPENINFERENCE",
    "SPAN_KIND_OPENLLMETRY",
    "START_SPAN",
    "SUSPENDED_EVENT",
    "SYSTEM_INSTRUCTIONS",
    "TOOL_ARGUMENTS",
    "TOOL_CALL_ID",
    "TOOL_NAME",
    "TOOL_OPERATION",
    "TOOL_RESULT",
    "VERCEL_AI_MODEL_STEP",
]

# Spans and resources of Restate's server.

SERVER_SERVICE = "Restate"
"""`service.name` of the server's own spans."""
INSTANCE_ID = "service.instance.id"
"""Attribute of a resource: id of the process. OpenTelemetry's SDK for Python sets it."""
INGRESS_SPAN = "ingress"
START_SPAN = "invocation-start"
ATTEMPT_SPAN = "invocation-attempt"
END_SPAN = "invocation-end"
RESTART_SPAN = "restart-as-new"
"""First word of the server's span names; the target follows: `invocation-end Greeter/greet`."""
SERVER_MARKS = (INGRESS_SPAN, START_SPAN, END_SPAN, RESTART_SPAN)
"""Server spans that mark a moment, without further information."""
LIFECYCLE = "restate.invocation.lifecycle."
"""Prefix of the events on attempt spans: `new_command`, `run_ended`, `suspended`."""
SUSPENDED_EVENT = f"{LIFECYCLE}suspended"
COMMAND_EVENT = f"{LIFECYCLE}new_command"

INVOCATION_ID = "restate.invocation.id"
INVOCATION_TARGET = "restate.invocation.target"
DEPLOYMENT_ID = "restate.deployment.id"
COMMAND_TYPE = "restate.journal.command.type"
COMMAND_NAME = "restate.journal.command.name"

# Attributes that the tracing bridge sets.

COMMAND_INDEX = "playhead.journal.command_index"
"""Ordinal of the step among the journal's commands; Input is 0."""
COMMANDS = "playhead.journal.commands"
"""Ordinals of the commands, other than durable steps, that were issued in the span."""
COMPLETION_ID = "playhead.journal.completion_id"
ATTEMPT_SPAN_ID = "playhead.attempt.span_id"
ATTEMPT_NUMBER = "playhead.attempt.number"
LOGICAL_SPAN_ID = "playhead.logical_span_id"
"""Equal for the spans that repeat the same work in several attempts."""
REPLAYED = "playhead.replayed"
INTERRUPTED = "playhead.interrupted"
PENDING = "playhead.pending"
REDACTED = "playhead.redacted"
"""Names of the attributes with redacted values."""
AWAKEABLE_EVENT = "playhead.awakeable"
"""Event on the span in which the handler created an awakeable."""
AWAKEABLE_ID = "playhead.awakeable.id"

SESSION_ID = "session.id"
"""Equal on all spans of an invocation: `Service/key` of a virtual object or workflow, else the id.

OpenTelemetry's conventions define the name; the app may set its own value."""

# OpenTelemetry's GenAI semantic conventions.

OPERATION = "gen_ai.operation.name"
LLM_OPERATIONS = ("chat", "text_completion", "generate_content")
"""Values of `gen_ai.operation.name` that send a request to a model."""
MODEL_OPERATIONS = (*LLM_OPERATIONS, "embeddings")
"""Operations that use a model, including those without text output."""
TOOL_OPERATION = "execute_tool"
AGENT_NAME = "gen_ai.agent.name"
CONVERSATION_ID = "gen_ai.conversation.id"
PROVIDER = "gen_ai.provider.name"
PROVIDER_DEPRECATED = "gen_ai.system"
"""Name of the provider attribute before version 1.37 of the conventions."""
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"

# Durable steps of the agent frameworks, as Restate's integrations name them.

PYDANTIC_AI_SCOPE = "pydantic-ai"
"""Instrumentation scope of Pydantic AI's own spans."""
PYDANTIC_AI_MODEL_STEPS = ("Model call", "Model stream call")
PYDANTIC_AI_TOOL_STEP = "Calling "
"""Prefix of a tool's step; the tool's name follows."""
PYDANTIC_AI_MCP_TOOL_STEP = "Calling mcp tool "
PYDANTIC_AI_MCP_LIST_STEP = "get mcp tools"
OPENAI_AGENTS_MODEL_STEPS = ("call LLM",)
GOOGLE_ADK_MODEL_STEPS = ("call LLM",)
LANGCHAIN_MODEL_STEPS = ("LLM call",)
VERCEL_AI_MODEL_STEP = "calling "
"""Prefix of a model's step; the provider's name follows."""

MODEL_STEPS = frozenset(
    (
        *PYDANTIC_AI_MODEL_STEPS,
        *OPENAI_AGENTS_MODEL_STEPS,
        *GOOGLE_ADK_MODEL_STEPS,
        *LANGCHAIN_MODEL_STEPS,
    )
)
"""Names of the steps in which the Python frameworks send a request to a model."""

# Other conventions for spans of LLM calls and tools.

SPAN_KIND_OPENINFERENCE = "openinference.span.kind"
"""`LLM`, `TOOL`, `AGENT`, … in OpenInference (Phoenix)."""
REQUEST_TYPE_OPENLLMETRY = "llm.request.type"
"""`chat`, `completion`, `embedding` or `rerank` in OpenLLMetry."""
SPAN_KIND_OPENLLMETRY = "traceloop.span.kind"
"""`workflow`, `task`, `agent` or `tool` in OpenLLMetry."""
OPERATION_VERCEL_AI = "ai.operationId"
"""Operation in Vercel's AI SDK up to version 6; `ai.generateText` spans surround the requests."""
RESPONSE_ID = "gen_ai.response.id"
