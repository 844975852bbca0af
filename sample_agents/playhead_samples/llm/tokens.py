"""Token counts that are plausible and the same every time: four characters a token."""

from __future__ import annotations

import json

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.script import Answer

CHARACTERS = 4
PER_MESSAGE = 4
PER_TOOL = 40


def of_text(text: str) -> int:
    """Tokens of a text, at least 1."""
    return max(1, -(-len(text) // CHARACTERS))


def of_prompt(conversation: Conversation) -> int:
    """Tokens of a request: texts, a fee for every message, and the tool definitions."""
    messages = len(conversation.turns) + 1
    return of_text(conversation.text) + PER_MESSAGE * messages + PER_TOOL * len(conversation.tools)


def of_answer(answer: Answer) -> int:
    """Tokens of an answer."""
    said = answer.text + "".join(c.name + json.dumps(dict(c.arguments)) for c in answer.calls)
    return of_text(said)
