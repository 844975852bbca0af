"""Human approval: the agent suspends on an awakeable until a person decides, however long it takes.

Shows: a waiting invocation uses no resources and survives restarts of service and server. The
awakeable's id is in the journal; resolve it with `true` or `false`.

    curl localhost:8080/ApprovalAgent/run/send --json '{"message": "I claim 3000 USD for a roof."}'
    curl localhost:8080/restate/awakeables/ID/resolve --json 'true'
"""

from __future__ import annotations

from datetime import timedelta

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent, restate_context

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries


class Claim(BaseModel):
    """An insurance claim."""

    amount: int
    """In US dollars."""
    reason: str


class ClaimRequest(BaseModel):
    """A claim as free text."""

    message: str


approval_agent = Agent(
    agent_model(),
    name="approval",
    system_prompt="You evaluate insurance claims and ask a person about claims over 1000 USD, "
    "with the tool. You decide smaller claims yourself.",
)


async def request_review(awakeable_id: str, claim: Claim) -> None:
    """Send the awakeable's id to the reviewer."""
    await act("request_review", awakeable_id=awakeable_id, amount=claim.amount)


@approval_agent.tool_plain
async def human_approval(claim: Claim) -> str:
    """Ask a person to approve or reject a claim."""
    awakeable_id, decision = restate_context().awakeable(type_hint=bool)
    await restate_context().run_typed(
        "Request review", request_review, awakeable_id=awakeable_id, claim=claim
    )
    return "approved" if await decision else "rejected"


durable_agent = RestateAgent(approval_agent)
# After this time without progress, the invocation suspends and uses no resources.
INACTIVITY_TIMEOUT = timedelta(seconds=1)
service = restate.Service(
    "ApprovalAgent", invocation_retry_policy=retries(), inactivity_timeout=INACTIVITY_TIMEOUT
)


@service.handler()
async def run(_ctx: restate.Context, request: ClaimRequest) -> str:
    """Decide on a claim."""
    result = await durable_agent.run(request.message)
    return result.output


SERVICES = (service,)
