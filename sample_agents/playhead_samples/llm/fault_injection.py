"""What each fault does to an answer or to the connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from playhead_samples.llm import delivery
from playhead_samples.llm.conversation import Call, Conversation
from playhead_samples.llm.faults import Fault
from playhead_samples.llm.request_log import Entry
from playhead_samples.llm.script import Answer

__all__ = ["Breakable", "refusal", "spoiled", "strike"]

TRANSPORT = "playhead.transport"


class Breakable:
    """Puts the connection into the scope, so that it can be broken; ASGI itself has no way."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the outermost app that uvicorn calls."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            # uvicorn's `send` is a method of the request cycle, which holds the transport.
            transport = getattr(getattr(send, "__self__", None), "transport", None)
            scope = {**scope, TRANSPORT: transport}
        await self._app(scope, receive, send)


def refusal(status: int, message: str, code: str) -> Response:
    """An error in OpenAI's form."""
    error = {"message": message, "type": code, "param": None, "code": code}
    return JSONResponse({"error": error}, status_code=status)


def spoiled(answer: Answer, fault: Fault, conversation: Conversation) -> Answer:
    """The answer of a model that gets a tool call wrong; unchanged for other faults."""
    tool = next((c.name for c in answer.calls), next(iter(conversation.tools), "search"))
    match fault.do:
        case "wrong_tool":
            return Answer(calls=(Call(f"{tool}_v2", {"query": "anything"}),))
        case "invalid_arguments":
            return Answer(calls=(Call(tool, {"unexpected": True}),))
        case _:
            return answer


async def strike(
    fault: Fault, answer: Answer, entry: Entry, conversation: Conversation, request: Request
) -> Response | None:
    """The failure as a response, or None when an answer still follows."""
    match fault.do:
        case "rate_limit":
            limit = refusal(429, "Rate limit reached for requests", "rate_limit_exceeded")
            limit.headers["retry-after"] = f"{fault.seconds:g}"
            return limit
        case "server_error":
            return refusal(500, "The server had an error while processing", "server_error")
        case "context_length":
            text = "This model's maximum context length is 8192 tokens; your messages are longer."
            return refusal(400, text, "context_length_exceeded")
        case "malformed":
            return PlainTextResponse('{"id": "x", "choices": [{"mess', media_type=delivery.JSON)
        case "reset":
            _break(request)
            return Response(status_code=500)
        case "truncate":
            return _truncated(answer, entry, conversation, request)
        case "hang":
            await _gone(request, fault.seconds)
            return refusal(504, "no answer in time", "timeout")
        case "slow":
            await _gone(request, fault.seconds)
            return None
        case "wrong_tool" | "invalid_arguments":
            return None


async def _gone(request: Request, seconds: float) -> None:
    """Wait this long, or until the client has gone."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(disconnected(), seconds)


def _truncated(
    answer: Answer, entry: Entry, conversation: Conversation, request: Request
) -> Response:
    parts = list(delivery.stream(answer, entry, conversation))
    half = "".join(parts[: len(parts) // 2]) if conversation.stream else '{"id": "x", "choi'

    async def send() -> AsyncIterator[str]:
        yield half
        await asyncio.sleep(0.05)  # lets the half leave the buffers before the connection goes
        _break(request)

    return StreamingResponse(send(), media_type=delivery.media_type(conversation))


def _break(request: Request) -> None:
    """Reset the connection (RST), as a dying peer or a middlebox does."""
    transport = request.scope.get(TRANSPORT)
    if transport is None:
        raise RuntimeError("this ASGI server does not let us reach the connection")
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
