"""The receiver of OTLP over HTTP: POST /v1/traces, protobuf or JSON.

Logs and metrics are accepted and dropped, so that exporters of all signals neither fail nor repeat.
"""

from __future__ import annotations

import functools
from collections import Counter

from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from playhead.errors import (
    CommitError,
    MalformedRequestError,
    QueueFullError,
    RequestBodyError,
)
from playhead.record.endpoint import HOSTS, TOKEN_NEEDED, is_bearer
from playhead.record.ingest.queue import Ingest
from playhead.record.otlp.requests import inspect_json, inspect_protobuf
from playhead.record.request_body import request_body

__all__ = ["app"]

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
REASON_CHARACTERS = 2000
_RETRY = {"retry-after": "1"}


def app(
    ingest: Ingest, *, limit: int, token: str | None = None, dropped: Counter[str] | None = None
) -> Starlette:
    """Return the receiver.

    Args:
        ingest: Commits the spans.
        limit: Size of the largest body in bytes, before and after unpacking.
        token: Bearer token that senders must have; None for no token.
        dropped: Counts requests with logs and metrics, by signal.
    """
    drops = Counter[str]() if dropped is None else dropped

    def drop(signal: str) -> Route:
        async def accept(request: Request) -> Response:
            kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
            kind = kind if kind in (PROTOBUF, JSON) else JSON
            if token is not None and not is_bearer(request.headers.get("authorization", ""), token):
                return _error(401, TOKEN_NEEDED, kind)
            try:
                async with request_body(request, limit, ingest):
                    drops[signal] += 1
            except RequestBodyError as error:
                return _error(error.status, error.title, kind)
            except QueueFullError as error:
                return _error(503, error.title, kind, _RETRY)
            except ClientDisconnect:
                return Response(status_code=400)
            return Response(b"{}" if kind == JSON else b"", media_type=kind)

        return Route(f"/v1/{signal}", accept, methods=["POST"])

    async def traces(request: Request) -> Response:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in (PROTOBUF, JSON):
            return _error(415, f"content type {kind!r}: send {PROTOBUF} or {JSON}", JSON)
        if token is not None and not is_bearer(request.headers.get("authorization", ""), token):
            return _error(401, TOKEN_NEEDED, kind)
        try:
            async with request_body(request, limit, ingest) as body:
                inspect = inspect_json if kind == JSON else inspect_protobuf
                inspection = await ingest.submit(len(body), functools.partial(inspect, body))
        except RequestBodyError as error:
            return _error(error.status, error.title, kind)
        except MalformedRequestError as error:
            return _error(400, error.title, kind)
        except (QueueFullError, CommitError) as error:
            return _error(503, error.title, kind, _RETRY)
        except ClientDisconnect:
            return Response(status_code=400)
        answer = inspection.response()
        if kind == JSON:
            content = json_format.MessageToJson(answer, indent=None).encode()
        else:
            content = answer.SerializeToString()
        return Response(content, media_type=kind)

    return Starlette(
        routes=[Route("/v1/traces", traces, methods=["POST"]), drop("logs"), drop("metrics")],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)],
    )


def _error(status: int, reason: str, kind: str, headers: dict[str, str] | None = None) -> Response:
    """Answer with a google.rpc.Status, as OTLP/HTTP requires."""
    message = Status(message=reason[:REASON_CHARACTERS])
    if kind == JSON:
        content = json_format.MessageToJson(message, indent=None).encode()
    else:
        content = message.SerializeToString()
    return Response(content, status, headers, media_type=kind)
