"""A service whose journals have every kind of entry; a script: `python journal_service.py PORT`.

Executions are counted in a separate file, independent of Restate.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import without_mcp  # isort: skip  # noqa: F401  # pyright: ignore[reportUnusedImport]

import hypercorn.asyncio
import hypercorn.config
import restate
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.usage import RequestUsage
from restate.exceptions import TerminalError
from restate.ext.pydantic import RestateAgent
from restate.extensions import current_context
from trivial_service import every, trivial

LOG = Path(os.environ.get("HANDLERS_LOG", os.devnull))
SOON = timedelta(milliseconds=100)
box = restate.VirtualObject("box")
flow = restate.Workflow("flow")
ai = restate.Service("ai")
runs: Counter[str] = Counter()


def note(what: str) -> int:
    runs[what] += 1
    with LOG.open("a") as log:
        log.write(what + "\n")
    return runs[what]


@every.handler()
async def flaky(ctx: restate.Context, request: dict[str, Any]) -> str:
    def fails_twice() -> str:
        if (count := note(f"flaky {request['key']}")) <= 2:
            raise ValueError(f"try {count} \x1b[31mred\x1b[0m [bold]not markup[/bold]")
        return "worked"

    await ctx.run("before", lambda: {"n": 1})
    return await ctx.run("fails twice", fails_twice)


@every.handler()
async def everything(ctx: restate.Context, request: dict[str, Any]) -> dict[str, Any]:
    called = await ctx.object_call(put, key=request["key"], arg={"value": [1, "two"]})
    ctx.object_send(put, key=request["key"] + "-later", arg={"value": 2})
    await ctx.sleep(timedelta(milliseconds=5))
    with contextlib.suppress(TerminalError):
        await ctx.run("refused", refuse)
    name, promise = ctx.awakeable()
    await ctx.run("publish", lambda: name)
    ctx.resolve_awakeable(name, {"yes": True})
    answer = await promise
    attached = await ctx.workflow_call(run, key=request["key"], arg={"z": 1})
    return {"called": called, "answer": answer, "attached": attached}


def refuse() -> None:
    raise TerminalError("no way", status_code=409)


@every.handler()
async def fails(ctx: restate.Context, request: Any) -> None:
    raise TerminalError("terminally bad", status_code=418)


@every.handler()
async def raises(ctx: restate.Context, request: dict[str, Any]) -> None:
    raise TerminalError(request["text"], status_code=request["code"])


@every.handler(inactivity_timeout=SOON)
async def calls_naps(ctx: restate.Context, request: Any) -> Any:
    return await ctx.service_call(naps, arg=None)


@every.handler()
async def always_raises(ctx: restate.Context, request: Any) -> None:
    raise RuntimeError("always")


@every.handler(inactivity_timeout=SOON)
async def waits(ctx: restate.Context, request: Any) -> dict[str, Any]:
    name, promise = ctx.awakeable()
    await ctx.run("publish", lambda: name)
    return {"got": await promise}


@every.handler(inactivity_timeout=SOON)
async def naps(ctx: restate.Context, request: Any) -> str:
    await ctx.sleep(timedelta(hours=1))
    return "woke"


@every.handler(inactivity_timeout=SOON, journal_retention=timedelta(0))
async def forgetful(ctx: restate.Context, request: Any) -> str:
    await ctx.sleep(timedelta(hours=1))
    return "woke"


@every.handler()
async def large(ctx: restate.Context, request: dict[str, Any]) -> int:
    for number in range(request["count"]):
        await ctx.run(f"large {number}", lambda: "x" * request["size"])
    return request["count"]


@every.handler()
async def spread(ctx: restate.Context, request: dict[str, Any]) -> None:
    for _ in range(request["count"]):
        ctx.service_send(trivial, arg=None)


@box.handler()
async def put(ctx: restate.ObjectContext, request: dict[str, Any]) -> dict[str, Any]:
    old = await ctx.get("value")
    keys = await ctx.state_keys()
    ctx.set("value", request["value"])
    ctx.set("note", "text")
    ctx.clear("nothing")
    return {"old": old, "keys": keys}


@box.handler(inactivity_timeout=SOON)
async def hold(ctx: restate.ObjectContext, request: Any) -> Any:
    """Hold the lock until the invocation is killed."""
    _, promise = ctx.awakeable()
    return await promise


@flow.main()
async def run(ctx: restate.WorkflowContext, request: dict[str, Any]) -> dict[str, Any]:
    await ctx.promise("done").resolve("promised")
    peeked = await ctx.promise("other").peek()
    return {"value": await ctx.promise("done").value(), "peeked": peeked}


def think(messages: list[Any], info: Any) -> ModelResponse:
    note("model")
    usage = RequestUsage(input_tokens=100 * len(messages), output_tokens=7, cache_read_tokens=30)
    if len(messages) == 1:
        asked = [TextPart("I look it up."), ToolCallPart("weather", {"city": "Paris"}, "call-1")]
        return ModelResponse(parts=asked, usage=usage, finish_reason="tool_call")
    return ModelResponse(parts=[TextPart("20 degrees.")], usage=usage, finish_reason="stop")


agent: Agent[None, str] = Agent(FunctionModel(think, model_name="thinker"), name="weather")


@agent.tool_plain
async def weather(city: str) -> dict[str, Any]:
    context = current_context()
    assert context is not None
    return await context.run_typed("fetch weather", fetch, city=city)


async def fetch(city: str) -> dict[str, Any]:
    note("tool")
    return {"city": city, "temperature": 20}


durable = RestateAgent(agent)


@ai.handler()
async def ask(ctx: restate.Context, question: str) -> str:
    return (await durable.run(question)).output


app = restate.app([every, box, flow, ai])

if __name__ == "__main__":
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    asyncio.run(hypercorn.asyncio.serve(app, config))
