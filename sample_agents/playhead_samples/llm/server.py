"""The HTTP server: OpenAI's API under `/v1`, and `/control` for tests and scenarios."""

from __future__ import annotations

import json
from typing import Any, cast

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from playhead_samples.llm import delivery, fault_injection, rules, script, tokens
from playhead_samples.llm.conversation import BadRequestError, Conversation
from playhead_samples.llm.faults import FaultSet, InvalidFaultError, LlmFault
from playhead_samples.llm.request_log import RequestLog

__all__ = ["create_app"]

MODELS = ("gpt-local", "gpt-local-mini")
HOSTS = ["127.0.0.1", "localhost"]
BODY_LIMIT = 16 * 1024 * 1024
HEADER = "x-playhead-fault"
"""Request header with the kind of fault to inject."""
INVOCATION_HEADER = "x-invocation-id"
"""Request header with the id of the invocation that the request belongs to."""


def create_app() -> ASGIApp:
    """Return a server with an empty log and no faults."""
    rules.load()
    server = _Server()
    routes = [
        Route("/v1/models", server.models),
        Route("/v1/chat/completions", server.chat, methods=["POST"]),
        Route("/v1/responses", server.responses, methods=["POST"]),
        Route("/control/health", server.health),
        Route("/control/log", server.log, methods=["GET", "DELETE"]),
        Route("/control/counts", server.counts),
        Route("/control/faults", server.faults, methods=["GET", "POST", "DELETE"]),
    ]
    # A web page can give 127.0.0.1 a name of its own, and would otherwise read the log.
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)
    return fault_injection.ConnectionInScope(Starlette(routes=routes, middleware=[hosts]))


class _Server:
    def __init__(self) -> None:
        self._log = RequestLog()
        self._faults = FaultSet()

    async def health(self, request: Request) -> Response:
        return JSONResponse({"agents": [r.agent for r in script.rules()]})

    async def models(self, request: Request) -> Response:
        data = [{"id": m, "object": "model", "created": 0, "owned_by": "local"} for m in MODELS]
        return JSONResponse({"object": "list", "data": data})

    async def log(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._log.clear()
        return JSONResponse(self._log.as_json(request.query_params.get("agent")))

    async def counts(self, request: Request) -> Response:
        return JSONResponse(self._log.counts())

    async def faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._faults.clear()
        elif request.method == "POST":
            try:
                body = await _json(request)
                items = cast("list[Any]", body) if isinstance(body, list) else [body]
                self._faults.add([LlmFault.from_json(item) for item in items])
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse(self._faults.as_json())

    async def chat(self, request: Request) -> Response:
        return await self._answer(request, "chat")

    async def responses(self, request: Request) -> Response:
        return await self._answer(request, "responses")

    async def _answer(self, request: Request, api: str) -> Response:
        try:
            body = await _json(request)
            if not isinstance(body, dict):
                raise BadRequestError("the body must be a JSON object")
            read = Conversation.from_chat if api == "chat" else Conversation.from_responses
            conversation = read(cast("dict[str, Any]", body))
            agent, answer = script.answer(conversation)
            fault = self._faults.for_request(agent, conversation)
            if HEADER in request.headers:
                fault = LlmFault.from_json({"do": request.headers[HEADER]})
        except (BadRequestError, InvalidFaultError, ValueError, KeyError, TypeError) as error:
            return fault_injection.error_response(
                400, f"invalid request: {error}", "invalid_request_error"
            )
        if fault is not None:
            answer = fault_injection.with_wrong_tool_call(answer, fault, conversation)
        logged = self._log.add(
            api=api,
            agent=agent,
            model=conversation.model,
            stream=conversation.stream,
            prompt_hash=conversation.prompt_hash,
            user=conversation.user[:200],
            answer="tool_calls" if answer.calls else "text",
            text=answer.text,
            tool_calls=[{"name": c.name, "arguments": dict(c.arguments)} for c in answer.calls],
            fault=fault.do if fault else None,
            invocation=request.headers.get(INVOCATION_HEADER, ""),
            input_tokens=tokens.of_prompt(conversation),
            output_tokens=tokens.of_answer(answer),
        )
        if fault is not None:
            failure = await fault_injection.failure(fault, answer, logged, conversation, request)
            if failure is not None:
                logged.answer = fault.do
                logged.input_tokens = logged.output_tokens = 0
                return failure
        return delivery.send(answer, logged, conversation)


async def _json(request: Request) -> Any:
    """Return the value of a body. Raises BadRequestError for one that is too large or too deep."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_LIMIT:
            raise BadRequestError(f"the body is larger than {BODY_LIMIT} bytes")
    try:
        return json.loads(body)
    except RecursionError as error:
        raise BadRequestError("the body has too many levels") from error
