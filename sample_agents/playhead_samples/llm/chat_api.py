"""Answers in the format of the Chat Completions API, whole or as server-sent events.

Source of the format: OpenAI's API reference, "The chat completion object" and "The chat
completion chunk object".
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

from playhead_samples.llm.script import LlmAnswer

__all__ = ["completion", "events", "pieces"]

WORD = re.compile(r"\S*\s*")
PIECE = 24
"""Characters of tool arguments per event."""


def completion(
    answer: LlmAnswer, *, number: int, model: str, usage: tuple[int, int]
) -> dict[str, Any]:
    """Return the whole answer to request `number`; usage is (input, output) in tokens."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{number}_{position}",
                "type": "function",
                "function": {"name": c.name, "arguments": json.dumps(dict(c.arguments))},
            }
            for position, c in enumerate(answer.calls)
        ]
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {"index": 0, "message": message, "finish_reason": _finish(answer), "logprobs": None}
        ],
        "usage": _usage(usage),
    }


def events(
    answer: LlmAnswer, *, number: int, model: str, usage: tuple[int, int], with_usage: bool
) -> Iterator[str]:
    """Yield the same answer as server-sent events, ending with `[DONE]`."""
    base: dict[str, Any] = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
    }

    def event(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return _data({**base, "choices": [choice]})

    yield event({"role": "assistant", "content": ""})
    for piece in pieces(answer.text):
        yield event({"content": piece})
    for position, c in enumerate(answer.calls):
        head = {"name": c.name, "arguments": ""}
        call_id = f"call_{number}_{position}"
        yield event(
            {
                "tool_calls": [
                    {"index": position, "id": call_id, "type": "function", "function": head}
                ]
            }
        )
        text = json.dumps(dict(c.arguments))
        for start in range(0, len(text), PIECE):
            piece = {"arguments": text[start : start + PIECE]}
            yield event({"tool_calls": [{"index": position, "function": piece}]})
    yield event({}, _finish(answer))
    if with_usage:
        yield _data({**base, "choices": [], "usage": _usage(usage)})
    yield "data: [DONE]\n\n"


def pieces(text: str) -> list[str]:
    """Split the text into words with their spaces; joined, they are the text again."""
    return [piece for piece in WORD.findall(text) if piece]


def _finish(answer: LlmAnswer) -> str:
    return "tool_calls" if answer.calls else "stop"


def _usage(usage: tuple[int, int]) -> dict[str, int]:
    return {
        "prompt_tokens": usage[0],
        "completion_tokens": usage[1],
        "total_tokens": usage[0] + usage[1],
    }


def _data(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"
