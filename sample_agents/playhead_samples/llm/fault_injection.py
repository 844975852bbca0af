"""The effect of each fault on an answer or on the connection."""

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
from playhead_samples.llm.conversation import Conversation, ToolCall
from playhead_samples.llm.faults import LlmFault
from playhead_samples.llm.request_log import LoggedRequest
from playhead_samples.llm.script import LlmAnswer

__all__ = ["ConnectionInScope", "error_response", "failure", "with_wrong_tool_call"]

TRANSPORT = "playhead.transport"


class ConnectionInScope:
    """Middleware that adds the connection to the scope, for faults that reset it.

    ASGI itself cannot reset a connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the outermost app, the one that uvicorn calls."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            # uvicorn's `send` is a method of the request cycle, which has the transport.
            transport = getattr(getattr(send, "__self__", None), "transport", None)
            scope = {**scope, TRANSPORT: transport}
        await self._app(scope, receive, send)


def error_response(status: int, message: str, code: str) -> Response:
    """Return an error in OpenAI's format."""
    error = {"message": message, "type": code, "param": None, "code": code}
    return JSONResponse({"error": error}, status_code=status)


def with_wrong_tool_call(
    answer: LlmAnswer, fault: LlmFault, conversation: Conversation
) -> LlmAnswer:
    """Replace the answer with a wrong tool call if the fault requests one."""
    tool = next((c.name for c in answer.calls), next(iter(conversation.tools), "search"))
    match fault.do:
        case "wrong_tool":
            return LlmAnswer(calls=(ToolCall(f"{tool}_v2", {"query": "anything"}),))
        case "invalid_arguments":
            return LlmAnswer(calls=(ToolCall(tool, {"unexpected": True}),))
        case _:
            return answer


async def failure(
    fault: LlmFault,
    answer: LlmAnswer,
    logged: LoggedRequest,
    conversation: Conversation,
    request: Request,
) -> Response | None:
    """Return the failure as a response; None when the answer follows after all."""
    match fault.do:
        case "rate_limit":
            limit = error_response(429, "Rate limit reached for requests", "rate_limit_exceeded")
            limit.headers["retry-after"] = f"{fault.seconds:g}"
            return limit
        case "server_error":
            return error_response(500, "The server had an error while processing", "server_error")
        case "context_length":
            text = "This model's maximum context length is 8192 tokens; your messages are longer."
            return error_response(400, text, "context_length_exceeded")
        case "malformed":
            return PlainTextResponse('{"id": "x", "choices": [{"mess', media_type=delivery.JSON)
        case "reset":
            _reset_connection(request)
            return Response(status_code=500)
        case "truncate":
            return _truncated(answer, logged, conversation, request)
        case "hang":
            await _wait_for_disconnect(request, fault.seconds)
            return error_response(504, "no answer in time", "timeout")
        case "slow":
            await _wait_for_disconnect(request, fault.seconds)
            return None
        case "wrong_tool" | "invalid_arguments":
            return None


async def _wait_for_disconnect(request: Request, seconds: float) -> None:
    """Wait this long, or until the client has disconnected."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(disconnected(), seconds)


def _truncated(
    answer: LlmAnswer, logged: LoggedRequest, conversation: Conversation, request: Request
) -> Response:
    parts = list(delivery.stream(answer, logged, conversation))
    half = "".join(parts[: len(parts) // 2]) if conversation.stream else '{"id": "x", "choi'

    async def send() -> AsyncIterator[str]:
        yield half
        await asyncio.sleep(0.05)  # lets the half leave the buffers before the reset
        _reset_connection(request)

    return StreamingResponse(send(), media_type=delivery.media_type(conversation))


def _reset_connection(request: Request) -> None:
    """Reset the connection (RST), as a dying peer or a middlebox does."""
    transport = request.scope.get(TRANSPORT)
    if transport is None:
        raise RuntimeError("this ASGI server gives no access to the connection")
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
