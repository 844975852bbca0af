"""The script: rules that answer the sample agents, found by how their system prompt begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playhead_samples.llm.conversation import Call, Conversation

__all__ = ["Answer", "Rule", "answer", "call", "calls", "rule", "rules", "say"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says: a text, or tool calls."""

    text: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Answers the agent whose system prompt holds `marker`."""

    agent: str
    marker: str
    reply: Callable[[Conversation], Answer]


_rules: list[Rule] = []


def rule(
    agent: str, marker: str
) -> Callable[[Callable[[Conversation], Answer]], Callable[[Conversation], Answer]]:
    """Register the decorated function as the script of this agent."""

    def register(reply: Callable[[Conversation], Answer]) -> Callable[[Conversation], Answer]:
        _rules.append(Rule(agent, marker, reply))
        return reply

    return register


def rules() -> tuple[Rule, ...]:
    """Every rule, in the order of registration."""
    return tuple(_rules)


def say(text: str) -> Answer:
    """A final answer."""
    return Answer(text=text)


def call(name: str, /, **arguments: Any) -> Answer:
    """One tool call."""
    return Answer(calls=(Call(name, arguments),))


def calls(*wanted: tuple[str, dict[str, Any]]) -> Answer:
    """Several tool calls in one answer."""
    return Answer(calls=tuple(Call(name, arguments) for name, arguments in wanted))


def answer(conversation: Conversation) -> tuple[str, Answer]:
    """The agent's name and the answer; the agent is "unknown" when no rule knows the prompt."""
    for known in _rules:
        if known.marker in conversation.system:
            return known.agent, known.reply(conversation)
    return "unknown", say(f"I have no script for this. You said: {conversation.user[:200]}")
