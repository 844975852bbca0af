"""Delivery of an answer, whole or as events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from playhead_samples.llm import chat_api, responses_api
from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.request_log import LoggedRequest
from playhead_samples.llm.script import LlmAnswer

__all__ = ["JSON", "media_type", "send", "stream"]

JSON = "application/json"
EVENTS = "text/event-stream"


def media_type(conversation: Conversation) -> str:
    """Return the media type of the answer to a request."""
    return EVENTS if conversation.stream else JSON


def send(answer: LlmAnswer, logged: LoggedRequest, conversation: Conversation) -> Response:
    """Return the answer as a response that marks the logged request when it is fully sent."""
    if conversation.stream:
        parts = stream(answer, logged, conversation)
    else:
        make = chat_api.completion if logged.api == "chat" else responses_api.response
        usage = (logged.input_tokens, logged.output_tokens)
        whole = make(answer, number=logged.number, model=conversation.model, usage=usage)
        parts = iter([json.dumps(whole)])

    async def deliver() -> AsyncIterator[str]:
        for part in parts:
            yield part
        logged.delivered = True

    return StreamingResponse(deliver(), media_type=media_type(conversation))


def stream(answer: LlmAnswer, logged: LoggedRequest, conversation: Conversation) -> Iterator[str]:
    """Return the answer as server-sent events."""
    make = chat_api.events if logged.api == "chat" else responses_api.events
    options: Any = conversation.options.get("stream_options") or {}
    return make(
        answer,
        number=logged.number,
        model=conversation.model,
        usage=(logged.input_tokens, logged.output_tokens),
        with_usage=bool(options.get("include_usage")),
    )
