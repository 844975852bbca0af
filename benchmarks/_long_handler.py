"""A handler as long as its recording, for `benchmarks.replay`."""

import restate

service = restate.Service("Long")


def step() -> int:
    """Never executed: the recording has its results."""
    raise AssertionError("a replay executed a step")


@service.handler()
async def loop(ctx: restate.Context, steps: int) -> int:
    """Sum the results of that many steps."""
    total = 0
    for _ in range(steps):
        total += await ctx.run_typed("step", step)
    return total


app = restate.app([service])
