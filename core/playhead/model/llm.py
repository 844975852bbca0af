"""LLM calls: messages, tool calls, tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Cost", "LlmCall", "Message", "Tokens", "ToolCall"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of model answers, without replayed ones."""

    input: int = 0
    output: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.input + other.input, self.output + other.output)

    @property
    def total(self) -> int:
        """Sum of input and output tokens."""
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of model answers, without replayed ones."""

    usd: float | None = None
    """US dollars, without the calls of unknown price; None if no price is known."""
    unpriced_calls: int = 0
    """Number of calls whose price is unknown."""

    def __add__(self, other: Cost) -> Cost:
        known = [cost.usd for cost in (self, other) if cost.usd is not None]
        return Cost(sum(known) if known else None, self.unpriced_calls + other.unpriced_calls)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation with a model, in OpenTelemetry GenAI parts."""

    role: str
    parts: tuple[Mapping[str, Any], ...]
    """Each part has a `type`, and the keys that belong to it:

    `text` and `reasoning` (content), `tool_call` (id, name, arguments), `tool_call_response` (id,
    name, response), or another type such as `uri`, `file` or `blob`. See the message schemas of the
    GenAI semantic conventions.
    """

    @property
    def text(self) -> str:
        """The text parts, joined by line breaks."""
        texts = (p.get("content") or "" for p in self.parts if p.get("type") == "text")
        return "\n".join(map(str, texts))


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that a model requested, or the execution of one."""

    name: str
    arguments: Any
    call_id: str | None = None
    result: Any = None


@dataclass(frozen=True, slots=True)
class LlmCall:
    """An LLM call: the answer of a model, and its prompt if recorded."""

    model: str | None
    provider: str | None
    tokens: Tokens | None
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    prompt: tuple[Message, ...] | None = None
    """From the request's span; None without a span, or while content capture is off."""
    response: tuple[Message, ...] = ()
    cache_read_tokens: int = 0
    """Input tokens that were read from the provider's cache."""
    cache_write_tokens: int = 0
    """Input tokens that were written to the provider's cache."""
    response_id: str | None = None
    """The provider's id of the answer."""
