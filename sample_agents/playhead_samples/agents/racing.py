"""Racing agents: two agents answer the same question; the first wins, the other is cancelled.

Shows: `restate.wait_completed`, and a cancelled invocation next to a successful one. To make the
thorough agent lose, inject a `slow` fault of the model for agent `thorough`.

    curl localhost:8080/Race/run --json '{"question": "How do I learn to sail?"}'
"""

from __future__ import annotations

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries


class Question(BaseModel):
    """A question as free text."""

    question: str


thorough_agent = RestateAgent(
    Agent(agent_model(), name="thorough", system_prompt="You answer thoroughly, in full detail.")
)
quick_agent = RestateAgent(
    Agent(agent_model(), name="quick", system_prompt="You answer quickly, in a few words.")
)
runners = restate.Service("Runners", invocation_retry_policy=retries())
race = restate.Service("Race", invocation_retry_policy=retries())


async def finish(name: str) -> None:
    """Record that an agent has finished."""
    await act("finish", runner=name)


@runners.handler()
async def thorough(ctx: restate.Context, request: Question) -> str:
    """Answer in detail."""
    result = await thorough_agent.run(request.question)
    await ctx.run_typed("Finish", finish, name="thorough")
    return result.output


@runners.handler()
async def quick(ctx: restate.Context, request: Question) -> str:
    """Answer in a few words."""
    result = await quick_agent.run(request.question)
    await ctx.run_typed("Finish", finish, name="quick")
    return result.output


@race.handler()
async def run(ctx: restate.Context, request: Question) -> str:
    """Return the first answer and cancel the other agent."""
    racers = [ctx.service_call(thorough, arg=request), ctx.service_call(quick, arg=request)]
    done, _ = await restate.wait_completed(*racers)
    for racer in racers:
        if racer not in done:
            await racer.cancel_invocation()
    return await done[0]


SERVICES = (race, runners)
