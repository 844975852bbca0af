"""The scripted answers: one rule per agent, found by the start of its system prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playhead_samples.llm.conversation import Conversation, ToolCall

__all__ = ["LlmAnswer", "Rule", "answer", "call", "calls", "reply", "rule", "rules"]


@dataclass(frozen=True, slots=True)
class LlmAnswer:
    """An answer of the model: a text, or tool calls."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule for the agent with `marker` in its system prompt."""

    agent: str
    marker: str
    function: Callable[[Conversation], LlmAnswer]


_rules: list[Rule] = []


def rule(
    agent: str, marker: str
) -> Callable[[Callable[[Conversation], LlmAnswer]], Callable[[Conversation], LlmAnswer]]:
    """Register the decorated function as the rule of this agent."""

    def register(
        function: Callable[[Conversation], LlmAnswer],
    ) -> Callable[[Conversation], LlmAnswer]:
        _rules.append(Rule(agent, marker, function))
        return function

    return register


def rules() -> tuple[Rule, ...]:
    """Return every rule, in the order of registration."""
    return tuple(_rules)


def reply(text: str) -> LlmAnswer:
    """Answer with a text."""
    return LlmAnswer(text=text)


def call(name: str, /, **arguments: Any) -> LlmAnswer:
    """Answer with one tool call."""
    return LlmAnswer(calls=(ToolCall(name, arguments),))


def calls(*requests: tuple[str, dict[str, Any]]) -> LlmAnswer:
    """Answer with several tool calls."""
    return LlmAnswer(calls=tuple(ToolCall(name, arguments) for name, arguments in requests))


def answer(conversation: Conversation) -> tuple[str, LlmAnswer]:
    """Return the agent's name and the answer; the name is "unknown" when no rule matches."""
    for candidate in _rules:
        if candidate.marker in conversation.system:
            return candidate.agent, candidate.function(conversation)
    return "unknown", reply(
        f"No rule answers this prompt. The message was: {conversation.user[:200]}"
    )
