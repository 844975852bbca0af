"""Sends an answer, whole or as events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from playhead_samples.llm import chat_api, responses_api
from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.request_log import Entry
from playhead_samples.llm.script import Answer

__all__ = ["JSON", "media_type", "send", "stream"]

JSON = "application/json"
EVENTS = "text/event-stream"


def media_type(conversation: Conversation) -> str:
    """Of the answer to this request."""
    return EVENTS if conversation.stream else JSON


def send(answer: Answer, entry: Entry, conversation: Conversation) -> Response:
    """The answer as a response that marks the log entry when all of it has gone out."""
    if conversation.stream:
        parts = stream(answer, entry, conversation)
    else:
        make = chat_api.completion if entry.api == "chat" else responses_api.response
        usage = (entry.input_tokens, entry.output_tokens)
        whole = make(answer, number=entry.number, model=conversation.model, usage=usage)
        parts = iter([json.dumps(whole)])

    async def deliver() -> AsyncIterator[str]:
        for part in parts:
            yield part
        entry.delivered = True

    return StreamingResponse(deliver(), media_type=media_type(conversation))


def stream(answer: Answer, entry: Entry, conversation: Conversation) -> Iterator[str]:
    """The answer as server-sent events."""
    make = chat_api.events if entry.api == "chat" else responses_api.events
    wanted: Any = conversation.options.get("stream_options") or {}
    return make(
        answer,
        number=entry.number,
        model=conversation.model,
        usage=(entry.input_tokens, entry.output_tokens),
        with_usage=bool(wanted.get("include_usage")),
    )
