"""The scripted answers: one rule per agent, found by the start of its system prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playhead_samples.llm.conversation import Conversation, ToolCall

__all__ = ["Answer", "Rule", "answer", "call", "calls", "reply", "rule", "rules"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the model: a text, or tool calls."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Answers the agent whose system prompt contains `marker`."""

    agent: str
    marker: str
    function: Callable[[Conversation], Answer]


_rules: list[Rule] = []


def rule(
    agent: str, marker: str
) -> Callable[[Callable[[Conversation], Answer]], Callable[[Conversation], Answer]]:
    """Register the decorated function as the rule of this agent."""

    def register(function: Callable[[Conversation], Answer]) -> Callable[[Conversation], Answer]:
        _rules.append(Rule(agent, marker, function))
        return function

    return register


def rules() -> tuple[Rule, ...]:
    """Return every rule, in the order of registration."""
    return tuple(_rules)


def reply(text: str) -> Answer:
    """Answer with a text."""
    return Answer(text=text)


def call(name: str, /, **arguments: Any) -> Answer:
    """Answer with one tool call."""
    return Answer(calls=(ToolCall(name, arguments),))


def calls(*requests: tuple[str, dict[str, Any]]) -> Answer:
    """Answer with several tool calls."""
    return Answer(calls=tuple(ToolCall(name, arguments) for name, arguments in requests))


def answer(conversation: Conversation) -> tuple[str, Answer]:
    """Return the agent's name and the answer; the name is "unknown" when no rule matches."""
    for candidate in _rules:
        if candidate.marker in conversation.system:
            return candidate.agent, candidate.function(conversation)
    return "unknown", reply(
        f"No rule answers this prompt. The message was: {conversation.user[:200]}"
    )
