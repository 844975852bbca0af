"""Claims that need specialists: one tool call for each, in sequence, then their answers."""

from __future__ import annotations

from collections.abc import Mapping

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.rules._parsing import amount, mentions
from playhead_samples.llm.script import LlmAnswer, call, reply

__all__ = ["consult"]


def consult(
    conversation: Conversation, specialists: Mapping[str, tuple[str, ...]], *, question: str
) -> LlmAnswer:
    """Call the specialists that the claim mentions, then repeat what they answered.

    Args:
        conversation: The conversation with the claim.
        specialists: Words that need a specialist, by tool.
        question: Answer to a claim that mentions none of them.
    """
    text = conversation.user
    needed = [tool for tool, words in specialists.items() if mentions(text, words)]
    for tool in needed:
        if conversation.result(tool) is None:
            return call(tool, amount=amount(text), text=text)
    return reply(" ".join(str(r.value) for r in conversation.results) if needed else question)
