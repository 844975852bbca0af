"""Names in spans and journals, and the rules that Python code and SQL share.

Span attributes follow OpenTelemetry's GenAI semantic conventions (`gen_ai.*`), Restate's server
(`restate.*`) and the tracing bridge (`playhead.*`, documented in docs/tracing.md). The bridge is a
separate distribution and repeats its names; tests/conventions compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AGENT_NAME",
    "ANSWERED_LLM_CALL",
    "ATTEMPT_NUMBER",
    "ATTEMPT_SPAN",
    "ATTEMPT_SPAN_ID",
    "AWAKEABLE_EVENT",
    "AWAKEABLE_ID",
    "CACHE_READ_TOKENS",
    "CACHE_WRITE_TOKENS",
    "COMMAND_EVENT",
    "COMMAND_INDEX",
    "COMMAND_NAME",
    "COMMAND_TYPE",
    "COMPLETION_ID",
    "CONVERSATION_ID",
    "END_SPAN",
    "EXECUTED_LLM_CALL",
    "EXECUTED_TOOL_CALL",
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
    "LLM_CALL",
    "LLM_OPERATIONS",
    "LOGICAL_SPAN_ID",
    "MODEL_OPERATIONS",
    "MODEL_STEPS",
    "OPENAI_AGENTS_MODEL_STEPS",
    "OPERATION",
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
    "RESPONSE_MODEL",
    "SERVER_MARKS",
    "SERVER_SERVICE",
    "START_SPAN",
    "SUSPENDED_EVENT",
    "SYSTEM_INSTRUCTIONS",
    "TOOL_ARGUMENTS",
    "TOOL_CALL_ID",
    "TOOL_NAME",
    "TOOL_OPERATION",
    "TOOL_RESULT",
    "VERCEL_AI_MODEL_STEP",
    "SpanRule",
    "attribute_sql",
    "is_set",
    "name_sql",
    "number_sql",
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
"""First word of the server's span names; the target follows: `invocation-end Greeter/greet`."""
SERVER_MARKS = (INGRESS_SPAN, START_SPAN, END_SPAN)
"""Server spans that mark a moment, without further information."""
LIFECYCLE = "restate.invocation.lifecycle."
"""Prefix of the events on attempt spans: `new_command`, `run_ended`, `suspended`."""
SUSPENDED_EVENT = f"{LIFECYCLE}suspended"
COMMAND_EVENT = f"{LIFECYCLE}new_command"

INVOCATION_ID = "restate.invocation.id"
INVOCATION_TARGET = "restate.invocation.target"
COMMAND_TYPE = "restate.journal.command.type"
COMMAND_NAME = "restate.journal.command.name"

# Attributes that the tracing bridge sets.

COMMAND_INDEX = "playhead.journal.command_index"
"""Ordinal of the step among the journal's commands; Input is 0."""
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


def is_set(value: object) -> bool:
    """Return whether a boolean attribute is true, as a boolean or as the text `true`."""
    return value is True or value == "true"


def attribute_sql(name: str, *, span: str = "", as_json: bool = False) -> str:
    """Return the DuckDB expression for an attribute of a row of `spans`.

    Args:
        name: The attribute's name.
        span: The table's alias.
        as_json: Keep the value as JSON instead of text.
    """
    return f"""{_column("attributes", span)}{"->" if as_json else "->>"}'$."{name}"'"""


def number_sql(name: str, *, span: str = "") -> str:
    """Return the DuckDB expression for a whole-number attribute; NULL when it is not a number."""
    return f"TRY_CAST({attribute_sql(name, span=span)} AS BIGINT)"


def name_sql(first_word: str, *, span: str = "") -> str:
    """Return the DuckDB condition for server spans of one kind, such as `ATTEMPT_SPAN`."""
    return f"starts_with({_column('name', span)}, '{first_word}')"


@dataclass(frozen=True, slots=True)
class SpanRule:
    """A condition on spans, for Python code and SQL."""

    operations: tuple[str, ...]
    """Accepted values of `gen_ai.operation.name`."""
    unset: tuple[str, ...] = ()
    """Boolean attributes that must not be true."""
    succeeded: bool = False
    """Whether the span must have ended, and not with status `error`."""

    def matches(self, attributes: Mapping[str, Any], *, ended: bool, status: str) -> bool:
        """Return whether a span meets the rule.

        Args:
            attributes: The span's attributes.
            ended: Whether the span has an end time.
            status: `unset`, `ok` or `error`.
        """
        return (
            attributes.get(OPERATION) in self.operations
            and not any(is_set(attributes.get(name)) for name in self.unset)
            and (not self.succeeded or (ended and status != "error"))
        )

    def sql(self, *, span: str = "") -> str:
        """Return the same rule as a DuckDB condition on a row of `spans`; never NULL.

        Args:
            span: The table's alias.
        """
        operations = ", ".join(f"'{name}'" for name in self.operations)
        conditions = [f"coalesce({attribute_sql(OPERATION, span=span)}, '') IN ({operations})"]
        conditions += [
            f"coalesce({attribute_sql(name, span=span)}, '') <> 'true'" for name in self.unset
        ]
        if self.succeeded:
            conditions.append(f"{_column('end_unix_nano', span)} IS NOT NULL")
            conditions.append(f"coalesce({_column('status_code', span)}, '') <> 'error'")
        return f"({' AND '.join(conditions)})"


LLM_CALL = SpanRule(LLM_OPERATIONS)
"""A request to a model, answered or not, executed or replayed."""
EXECUTED_LLM_CALL = SpanRule(LLM_OPERATIONS, unset=(REPLAYED,))
"""A request that was sent to a model."""
ANSWERED_LLM_CALL = SpanRule(LLM_OPERATIONS, unset=(REPLAYED, INTERRUPTED), succeeded=True)
"""A request that was sent and answered: not replayed, failed, interrupted or pending.

Only these count as LLM calls, and only their tokens are added up.
"""
EXECUTED_TOOL_CALL = SpanRule((TOOL_OPERATION,), unset=(REPLAYED,))
"""An execution of a tool."""


def _column(name: str, span: str) -> str:
    return f"{span}.{name}" if span else name
