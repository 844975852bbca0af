"""LLM calls: messages, tool calls, tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["LlmCall", "Message", "Tokens", "ToolCall"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts of LLM answers that really were produced (replays never count)."""

    input: int = 0
    output: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.input + other.input, self.output + other.output)

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation with a model, in OpenTelemetry GenAI's parts."""

    role: str
    parts: tuple[Mapping[str, Any], ...]
    """Each has a `type` (`text`, `tool_call`, `tool_call_response`, `thinking`, …)."""

    @property
    def text(self) -> str:
        """The text parts, joined."""
        texts = (p.get("content") or "" for p in self.parts if p.get("type") == "text")
        return "\n".join(map(str, texts))


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that a model asked for, or the execution of one."""

    name: str
    arguments: Any
    call_id: str | None = None
    result: Any = None


@dataclass(frozen=True, slots=True)
class LlmCall:
    """One answer of a model."""

    model: str | None
    provider: str | None
    tokens: Tokens | None
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    prompt: tuple[Message, ...] | None = None
    """From the span; None where no span was recorded or content capture is off."""
    response: tuple[Message, ...] = ()
    cache_read_tokens: int = 0
    """Those of the input tokens that came from the provider's cache."""
    cache_write_tokens: int = 0
