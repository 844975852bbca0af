"""Human approval with a timeout: the decision or the timer, whichever comes first.

Shows: `restate.select` over an awakeable and a durable timer. The timer also runs while service
and server are down.

    curl localhost:8080/TimedApprovalAgent/run/send --json \
      '{"message": "I claim 3000 USD for a roof.", "within_seconds": 30}'
    curl localhost:8080/restate/awakeables/ID/resolve --json 'true'
"""

from __future__ import annotations

from datetime import timedelta

import restate
from pydantic import BaseModel
from pydantic_ai import Agent, RunContext
from restate.ext.pydantic import RestateAgent, restate_context

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries


class ClaimRequest(BaseModel):
    """A claim as free text, and the time limit of the decision."""

    message: str
    within_seconds: float = 3600.0


claims_agent = Agent(
    agent_model(),
    name="timed_approval",
    deps_type=ClaimRequest,
    system_prompt="You decide insurance claims in time. Ask a person about claims over 1000 USD "
    "with the tool. If the person does not answer in time, refer the claim to the night team.",
)


async def request_review(awakeable_id: str, amount: int) -> None:
    """Send the awakeable's id to the reviewer."""
    await act("request_timed_review", awakeable_id=awakeable_id, amount=amount)


@claims_agent.tool
async def human_approval(run: RunContext[ClaimRequest], amount: int) -> str:
    """Ask a person to approve or reject a claim of this amount in USD."""
    ctx = restate_context()
    awakeable_id, decision = ctx.awakeable(type_hint=bool)
    await ctx.run_typed("Request review", request_review, awakeable_id=awakeable_id, amount=amount)
    limit = ctx.sleep(timedelta(seconds=run.deps.within_seconds), name="Time to decide")
    match await restate.select(decision=decision, limit=limit):
        case ["decision", approved]:
            return "approved" if approved else "rejected"
        case _:
            return "no decision in time"


durable_agent = RestateAgent(claims_agent)
service = restate.Service("TimedApprovalAgent", invocation_retry_policy=retries())


@service.handler()
async def run(_ctx: restate.Context, request: ClaimRequest) -> str:
    """Decide on a claim."""
    result = await durable_agent.run(request.message, deps=request)
    return result.output


SERVICES = (service,)
