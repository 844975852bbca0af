"""Handlers that wait in every way; a script: `python standing_service.py PORT`.

Each attempt writes its start and its end, with the clock of this process, to HANDLERS_LOG.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import restate
from restate.retry_policy import InvocationRetryPolicy
from restate.serde import BytesSerde

LOG = Path(os.environ.get("HANDLERS_LOG", os.devnull))
SOON = timedelta(milliseconds=100)
svc = restate.Service("Waits", inactivity_timeout=SOON)
obj = restate.VirtualObject("Account", inactivity_timeout=SOON)
flow = restate.Workflow("Approval", inactivity_timeout=SOON)


def log(ctx: restate.Context, what: str) -> None:
    line = {"id": ctx.request().id, "what": what, "at": time.time()}
    with LOG.open("a") as file:
        file.write(json.dumps(line) + "\n")


@contextlib.asynccontextmanager
async def attempt(ctx: restate.Context) -> AsyncGenerator[None]:
    """Log the start and the end of an attempt."""
    log(ctx, "start")
    try:
        yield
    finally:
        log(ctx, "end")


@svc.handler()
async def works(ctx: restate.Context, seconds: float) -> str:
    async with attempt(ctx):

        async def work() -> str:
            await asyncio.sleep(seconds)
            return "worked"

        return await ctx.run_typed("work", work)


@svc.handler()
async def awakeable(ctx: restate.Context, request: Any) -> Any:
    async with attempt(ctx):
        _, answer = ctx.awakeable()
        return await answer


@svc.handler()
async def signal(ctx: restate.Context, name: str) -> Any:
    async with attempt(ctx):
        return await ctx.signal(name)


@svc.handler()
async def sleeps(ctx: restate.Context, seconds: float) -> str:
    async with attempt(ctx):
        await ctx.sleep(timedelta(seconds=seconds))
        return "woke"


@svc.handler()
async def first_of(ctx: restate.Context, seconds: float) -> str:
    async with attempt(ctx):
        _, answer = ctx.awakeable()
        await restate.select(answer=answer, timeout=ctx.sleep(timedelta(seconds=seconds)))
        return "one"


@svc.handler()
async def calls(ctx: restate.Context, request: dict[str, Any]) -> list[Any]:
    async with attempt(ctx):
        futures = [
            ctx.generic_call(
                one["service"], one["handler"], json.dumps(one["body"]).encode(), one.get("key")
            )
            for one in request["calls"]
        ]
        done = await restate.gather(*futures)
        return [(await future).decode() for future in done]


@svc.handler()
async def attaches(ctx: restate.Context, invocation_id: str) -> Any:
    async with attempt(ctx):
        return (await ctx.attach_invocation(invocation_id)).decode()


@svc.handler()
async def fails_then_waits(ctx: restate.Context, request: dict[str, Any]) -> str:
    async with attempt(ctx):
        await ctx.run_typed("count", lambda: None)

        def flaky() -> str:
            path = LOG.with_name(f"tries-{ctx.request().id}")
            tries = int(path.read_text()) + 1 if path.exists() else 1
            path.write_text(str(tries))
            if tries <= request["failures"]:
                raise ConnectionError(f"connection refused, try {tries}")
            return "done"

        await ctx.run_typed("flaky", flaky)
        await ctx.sleep(timedelta(seconds=request["sleep"]))
        return "ended"


@svc.handler(
    invocation_retry_policy=InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=50), max_attempts=3, on_max_attempts="pause"
    )
)
async def pauses(ctx: restate.Context, request: Any) -> None:
    async with attempt(ctx):
        raise ConnectionError("connection refused by 10.0.0.1:443")


@svc.handler(invocation_retry_policy=InvocationRetryPolicy(initial_interval=timedelta(seconds=30)))
async def retries(ctx: restate.Context, request: Any) -> None:
    async with attempt(ctx):
        raise ConnectionError("connection refused by 10.0.0.1:443")


@obj.handler()
async def hold(ctx: restate.ObjectContext, request: Any) -> Any:
    async with attempt(ctx):
        _, answer = ctx.awakeable()
        return await answer


@obj.handler()
async def work(ctx: restate.ObjectContext, seconds: float) -> str:
    async with attempt(ctx):
        await ctx.run_typed("work", asyncio.sleep, delay=seconds)
        return "worked"


@flow.main()
async def run(ctx: restate.WorkflowContext, request: Any) -> Any:
    async with attempt(ctx):
        return await ctx.promise("decision").value()


@flow.handler()
async def decide(ctx: restate.WorkflowSharedContext, decision: Any) -> str:
    await ctx.promise("decision").resolve(decision)
    return "thanks"


@flow.handler(accept="text/plain", input_serde=BytesSerde())
async def comment(ctx: restate.WorkflowSharedContext, text: bytes) -> str:
    await ctx.promise("decision").resolve(text.decode())
    return "thanks"


app = restate.app([svc, obj, flow])

if __name__ == "__main__":
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    asyncio.run(hypercorn.asyncio.serve(app, config))
