"""Handlers as long as their recordings, for `benchmarks.replay`."""

from datetime import timedelta

import restate

service = restate.VirtualObject("Long")


def step() -> int:
    """Return nothing; never executed, because the recording has its results."""
    raise AssertionError("a replay executed a step")


@service.handler()
async def loop(ctx: restate.ObjectContext, steps: int) -> int:
    """Return the sum of the results of a number of steps."""
    total = 0
    for _ in range(steps):
        total += await ctx.run_typed("step", step)
    return total


@service.handler()
async def mixed(ctx: restate.ObjectContext, rounds: int) -> int:
    """Return the sum of a number of calls, with a step, a state value and a sleep before each."""
    total = 0
    for number in range(rounds):
        await ctx.run_typed("step", step)
        await ctx.get("total", type_hint=int)
        ctx.set("total", total)
        await ctx.sleep(timedelta(seconds=1))
        total += await ctx.object_call(loop, "another", number)
    return total


app = restate.app([service])
