"""A small durable service whose journals hold every kind of row that the copier copies."""

from __future__ import annotations

from datetime import timedelta

import restate

plain = restate.Service("plain")
counter = restate.VirtualObject("counter")
tries: dict[str, int] = {}


@plain.handler()
async def steps(ctx: restate.Context, count: int) -> str:
    async def step() -> dict[str, str]:
        return {"bytes": "ä\x00[red]" * 10}

    for number in range(count):
        await ctx.run_typed(f"step {number}", step)
    return "done"


@plain.handler()
async def flaky(ctx: restate.Context, name: str) -> str:
    async def step() -> str:
        tries[name] = tries.get(name, 0) + 1
        if tries[name] < 3:
            raise RuntimeError(f"boom {tries[name]}")
        return "at last"

    return await ctx.run_typed("flaky step", step)


@plain.handler()
async def growing(ctx: restate.Context, count: int) -> str:
    async def step(number: int) -> int:
        return number

    for number in range(count):
        await ctx.run_typed(f"step {number}", step, number=number)
        if number % 100 == 99:
            await ctx.sleep(timedelta(milliseconds=300))
    return "grown"


@plain.handler()
async def waiting(ctx: restate.Context) -> str:
    name, future = ctx.awakeable()
    await ctx.run_typed("tell", lambda: name)
    return await future


@counter.handler()
async def add(ctx: restate.ObjectContext, amount: int) -> int:
    value = (await ctx.get("value", type_hint=int) or 0) + amount
    ctx.set("value", value)
    ctx.set(f"note {value}", "x")
    return value


@counter.handler()
async def clear(ctx: restate.ObjectContext) -> None:
    ctx.clear_all()


app = restate.app([plain, counter])
