"""Multi-agent intake: an agent consults a medical and a car specialist, which are agents too.

Shows: nested agents in one journal. The specialist that was consulted last is stored in the
state of a virtual object, one per customer.

    curl localhost:8080/ClaimIntake/ada/run --json \
      '{"message": "Collision: my car needs 4000 USD of repairs and I had surgery for 9000 USD."}'
    curl localhost:8080/ClaimIntake/ada/last_specialist -X POST
"""

from __future__ import annotations

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent, restate_object_context

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries

LAST = "last_specialist"


class Claim(BaseModel):
    """What a specialist needs to know."""

    amount: int
    """In US dollars."""
    text: str


class ClaimRequest(BaseModel):
    """A claim as free text."""

    message: str


medical_agent = RestateAgent(
    Agent(
        agent_model(),
        name="medical",
        system_prompt="You are a medical claims specialist. Claims up to 50000 USD are covered.",
    )
)
car_agent = RestateAgent(
    Agent(
        agent_model(),
        name="car",
        system_prompt="You are a car claims specialist. Claims up to 25000 USD are covered.",
    )
)
intake_agent = Agent(
    agent_model(),
    name="intake",
    system_prompt="You are the intake agent of an insurance. Consult the specialists that the "
    "claim needs, one at a time, then sum up what they said.",
)


async def file_opinion(specialist: str, opinion: str) -> None:
    """Add the opinion to the customer's file."""
    await act("file_opinion", specialist=specialist, opinion=opinion)


async def consult(name: str, agent: RestateAgent[object, str], claim: Claim) -> str:
    """Ask a specialist and store its name as the last one."""
    result = await agent.run(f"Claim: {claim.model_dump_json()}")
    ctx = restate_object_context()
    ctx.set(LAST, name)
    await ctx.run_typed("File opinion", file_opinion, specialist=name, opinion=result.output)
    return result.output


@intake_agent.tool_plain
async def consult_medical_specialist(claim: Claim) -> str:
    """Ask the medical specialist about injuries and treatment."""
    return await consult("medical", medical_agent, claim)


@intake_agent.tool_plain
async def consult_car_specialist(claim: Claim) -> str:
    """Ask the car specialist about damage to vehicles."""
    return await consult("car", car_agent, claim)


durable_agent = RestateAgent(intake_agent)
intake = restate.VirtualObject("ClaimIntake", invocation_retry_policy=retries())


@intake.handler()
async def run(_ctx: restate.ObjectContext, request: ClaimRequest) -> str:
    """Handle a claim."""
    result = await durable_agent.run(request.message)
    return result.output


@intake.handler(kind="shared")
async def last_specialist(ctx: restate.ObjectSharedContext) -> str | None:
    """Return the specialist that was consulted last."""
    return await ctx.get(LAST, type_hint=str)


SERVICES = (intake,)
