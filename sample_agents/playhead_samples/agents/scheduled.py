"""Scheduled agent: it reports, then sends itself the next tick with a delay (no cron, no queue).

Shows: delayed sends, one invocation per tick, and state that counts them. `stop` ends the series.

    curl localhost:8080/Watchman/harbour/start --json '{"every_seconds": 5, "ticks": 3}'
    curl localhost:8080/Watchman/harbour/reports -X POST
    curl localhost:8080/Watchman/harbour/stop -X POST
"""

from __future__ import annotations

from datetime import timedelta

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries


class Schedule(BaseModel):
    """Interval and number of ticks."""

    every_seconds: float = 60.0
    ticks: int = 3


watch_agent = RestateAgent(
    Agent(
        agent_model(),
        name="watchman",
        system_prompt="You are a watchman. Report on your place in one sentence.",
    )
)
watchman = restate.VirtualObject("Watchman", invocation_retry_policy=retries())


async def send_report(place: str, number: int) -> None:
    """Send the report to the office."""
    await act("send_report", place=place, number=number)


@watchman.handler()
async def start(ctx: restate.ObjectContext, schedule: Schedule) -> None:
    """Start a series of ticks; it replaces an earlier series."""
    ctx.set("series", (await ctx.get("series", type_hint=int) or 0) + 1)
    ctx.set("schedule", schedule)
    ctx.set("reports", list[str]())
    series = await ctx.get("series", type_hint=int) or 0
    ctx.object_send(tick, key=ctx.key(), arg=series)


@watchman.handler()
async def tick(ctx: restate.ObjectContext, series: int) -> None:
    """Send a report and schedule the next tick."""
    if series != await ctx.get("series", type_hint=int):
        return  # the series was stopped or replaced after this tick was scheduled
    schedule = await ctx.get("schedule", type_hint=Schedule) or Schedule()
    reports = await ctx.get("reports", type_hint=list[str]) or []
    number = len(reports) + 1
    result = await watch_agent.run(f"Place: {ctx.key()}. Round {number}.")
    await ctx.run_typed("Send report", send_report, place=ctx.key(), number=number)
    ctx.set("reports", [*reports, result.output])
    if number < schedule.ticks:
        delay = timedelta(seconds=schedule.every_seconds)
        ctx.object_send(tick, key=ctx.key(), arg=series, send_delay=delay)


@watchman.handler()
async def stop(ctx: restate.ObjectContext) -> None:
    """End the series; a tick that is already scheduled does nothing."""
    ctx.set("series", (await ctx.get("series", type_hint=int) or 0) + 1)


@watchman.handler(kind="shared")
async def reports(ctx: restate.ObjectSharedContext) -> list[str]:
    """Return the reports so far."""
    return await ctx.get("reports", type_hint=list[str]) or []


SERVICES = (watchman,)
