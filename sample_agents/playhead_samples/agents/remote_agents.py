"""Remote agents: each specialist is a separate service that the claims desk calls.

Shows: a tree of invocations, each with its own journal and retries. A specialist that crashes
does not affect the desk.

    curl localhost:8080/ClaimsDesk/run --json \
      '{"message": "Collision: my car needs 4000 USD of repairs and I had surgery for 9000 USD."}'
"""

from __future__ import annotations

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent, restate_context

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries


class Claim(BaseModel):
    """What a specialist needs to know."""

    amount: int
    """In US dollars."""
    text: str


class ClaimRequest(BaseModel):
    """A claim as free text."""

    message: str


health_agent = RestateAgent(
    Agent(
        agent_model(),
        name="health_desk",
        system_prompt="You run the health desk of an insurance. Up to 50000 USD are covered.",
    )
)
motor_agent = RestateAgent(
    Agent(
        agent_model(),
        name="motor_desk",
        system_prompt="You run the motor desk of an insurance. Up to 25000 USD are covered.",
    )
)

health = restate.Service("HealthDesk", invocation_retry_policy=retries())
motor = restate.Service("MotorDesk", invocation_retry_policy=retries())
desk = restate.Service("ClaimsDesk", invocation_retry_policy=retries())


async def sign(by: str, opinion: str) -> str:
    """Sign an opinion."""
    await act("sign_opinion", by=by)
    return f"{opinion} Signed: {by}."


@health.handler("review")
async def review_health(ctx: restate.Context, claim: Claim) -> str:
    """Review a health claim."""
    result = await health_agent.run(f"Claim: {claim.model_dump_json()}")
    return await ctx.run_typed("Sign", sign, by="health", opinion=result.output)


@motor.handler("review")
async def review_motor(ctx: restate.Context, claim: Claim) -> str:
    """Review a motor claim."""
    result = await motor_agent.run(f"Claim: {claim.model_dump_json()}")
    return await ctx.run_typed("Sign", sign, by="motor", opinion=result.output)


desk_agent = Agent(
    agent_model(),
    name="claims_desk",
    system_prompt="You run the claims desk. Call the health desk and the motor desk as the claim "
    "needs, one at a time, then sum up what they said.",
)


@desk_agent.tool_plain
async def call_health_desk(claim: Claim) -> str:
    """Have the health desk review injuries and treatment."""
    return await restate_context().service_call(review_health, arg=claim)


@desk_agent.tool_plain
async def call_motor_desk(claim: Claim) -> str:
    """Have the motor desk review damage to vehicles."""
    return await restate_context().service_call(review_motor, arg=claim)


durable_agent = RestateAgent(desk_agent)


@desk.handler()
async def run(_ctx: restate.Context, request: ClaimRequest) -> str:
    """Handle a claim."""
    result = await durable_agent.run(request.message)
    return result.output


SERVICES = (desk, health, motor)
