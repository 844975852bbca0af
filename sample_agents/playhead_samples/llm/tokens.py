"""Plausible, deterministic token counts: four characters per token."""

from __future__ import annotations

import json

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.script import LlmAnswer

CHARACTERS = 4
PER_MESSAGE = 4
PER_TOOL = 40


def of_text(text: str) -> int:
    """Count the tokens of a text, at least 1."""
    return max(1, -(-len(text) // CHARACTERS))


def of_prompt(conversation: Conversation) -> int:
    """Count the tokens of a request: texts, a fixed number per message and per tool."""
    messages = len(conversation.messages) + 1
    return of_text(conversation.text) + PER_MESSAGE * messages + PER_TOOL * len(conversation.tools)


def of_answer(answer: LlmAnswer) -> int:
    """Count the tokens of an answer."""
    text = answer.text + "".join(c.name + json.dumps(dict(c.arguments)) for c in answer.calls)
    return of_text(text)
