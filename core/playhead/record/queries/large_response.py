"""The answer of a large query, which is sent in parts and leaves memory as it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from playhead.store.answers import Answer

__all__ = ["SMALL", "LargeResponse"]

SMALL = 256 * 1024
"""Size up to which an answer is sent at once."""
SECONDS = 60.0
"""Time in which a client has to read an answer, so that it does not keep the memory from others."""


class LargeResponse(Response):
    """A response whose body is an answer in parts."""

    def __init__(self, answer: Answer, headers: Mapping[str, str], media_type: str) -> None:
        """Take over the answer, which is freed when it has been sent, or its client has gone."""
        super().__init__(None, headers={**headers, "content-length": str(answer.size)})
        self.headers["content-type"] = media_type
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            async with asyncio.timeout(SECONDS):
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                while part := self._answer.pop():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                    await asyncio.sleep(0)  # so that a client that has gone is noticed
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._answer.free()
