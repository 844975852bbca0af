"""The part of the Gemini API that a weather agent needs: `generateContent`, from a script.

Run as `python gemini.py PORT`.
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def generate(request: Request) -> JSONResponse:
    body: Any = await request.json()
    last = body["contents"][-1]["parts"]
    if any("functionResponse" in part for part in last):
        parts = [{"text": "In Denver it is sunny, 17 °C."}]
        tokens = (96, 11)
    else:
        call = {"name": "get_weather", "args": {"city": "Denver"}}
        parts = [{"text": "Let me look."}, {"functionCall": call}]
        tokens = (72, 14)
    return JSONResponse(
        {
            "candidates": [
                {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
            ],
            "usageMetadata": {
                "promptTokenCount": tokens[0],
                "candidatesTokenCount": tokens[1],
                "totalTokenCount": sum(tokens),
            },
            "modelVersion": "gemini-2.5-flash",
        }
    )


app = Starlette(routes=[Route("/{path:path}", generate, methods=["POST"])])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
