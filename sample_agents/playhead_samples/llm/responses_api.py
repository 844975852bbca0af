"""Answers in the format of the Responses API, whole or as server-sent events.

Source of the format: OpenAI's API reference, "The response object" and its streaming events.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from playhead_samples.llm.chat_api import pieces
from playhead_samples.llm.script import LlmAnswer

__all__ = ["events", "response"]


def response(
    answer: LlmAnswer, *, number: int, model: str, usage: tuple[int, int]
) -> dict[str, Any]:
    """Return the whole answer to request `number`; usage is (input, output) in tokens."""
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": _items(answer, number),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": usage[0],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage[1],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": sum(usage),
        },
    }


def events(
    answer: LlmAnswer, *, number: int, model: str, usage: tuple[int, int], with_usage: bool = True
) -> Iterator[str]:
    """Yield the same answer as server-sent events, ending with `response.completed`."""
    del with_usage  # the protocol always sends it
    whole = response(answer, number=number, model=model, usage=usage)
    started: dict[str, Any] = {**whole, "status": "in_progress", "output": [], "usage": None}
    queue: list[dict[str, Any]] = [{"type": "response.created", "response": started}]
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        queue.append(
            {"type": "response.output_item.added", "output_index": index, "item": _empty(item)}
        )
        if item["type"] == "function_call":
            text = item["arguments"]
            queue.append({"type": "response.function_call_arguments.delta", "delta": text, **place})
            queue.append(
                {
                    "type": "response.function_call_arguments.done",
                    "name": item["name"],
                    "arguments": text,
                    **place,
                }
            )
        else:
            queue += _text_events(item["content"][0], place)
        queue.append({"type": "response.output_item.done", "output_index": index, "item": item})
    queue.append({"type": "response.completed", "response": whole})
    for sequence, event in enumerate(queue):
        data = json.dumps({**event, "sequence_number": sequence})
        yield f"event: {event['type']}\ndata: {data}\n\n"


def _items(answer: LlmAnswer, number: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if answer.text:
        part: dict[str, Any] = {
            "type": "output_text",
            "text": answer.text,
            "annotations": [],
            "logprobs": [],
        }
        message: dict[str, Any] = {
            "id": f"msg_{number}",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }
        items.append(message)
    items += [
        {
            "id": f"fc_{number}_{position}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{number}_{position}",
            "name": c.name,
            "arguments": json.dumps(dict(c.arguments)),
        }
        for position, c in enumerate(answer.calls)
    ]
    return items


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
    return {**item, **empty, "status": "in_progress"}


def _text_events(part: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    where = {**place, "content_index": 0}
    empty = {**part, "text": ""}
    yield {"type": "response.content_part.added", "part": empty, **where}
    for delta in pieces(part["text"]):
        yield {"type": "response.output_text.delta", "delta": delta, "logprobs": [], **where}
    yield {"type": "response.output_text.done", "text": part["text"], "logprobs": [], **where}
    yield {"type": "response.content_part.done", "part": part, **where}
