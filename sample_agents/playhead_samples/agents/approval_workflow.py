"""Approval as a sub-workflow: the review is a separate workflow that any agent can call.

Shows: two invocations in one tree, and a durable promise that another handler resolves. A
workflow runs once per key: a claim cannot be reviewed twice.

    curl localhost:8080/WorkflowApprovalAgent/run/send --json \
      '{"claim_id": "c-17", "message": "I claim 3000 USD for a roof."}'
    curl localhost:8080/ClaimReview/c-17/decide --json 'true'
"""

from __future__ import annotations

import restate
from pydantic import BaseModel
from pydantic_ai import Agent, RunContext
from restate.ext.pydantic import RestateAgent, restate_context

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries


class ClaimRequest(BaseModel):
    """A claim as free text."""

    claim_id: str
    message: str


class Review(BaseModel):
    """A claim to review."""

    amount: int
    """In US dollars."""


review = restate.Workflow("ClaimReview", invocation_retry_policy=retries())


async def notify_reviewer(claim_id: str, amount: int) -> None:
    """Send the claim to the reviewer."""
    await act("notify_reviewer", claim_id=claim_id, amount=amount)


@review.main()
async def run(ctx: restate.WorkflowContext, request: Review) -> bool:
    """Notify the reviewer and wait for the decision."""
    await ctx.run_typed(
        "Notify reviewer", notify_reviewer, claim_id=ctx.key(), amount=request.amount
    )
    return await ctx.promise("decision", type_hint=bool).value()


@review.handler()
async def decide(ctx: restate.WorkflowSharedContext, approved: bool) -> None:
    """Resolve the promise with the reviewer's decision."""
    await ctx.promise("decision", type_hint=bool).resolve(approved)


claims_agent = Agent(
    agent_model(),
    name="workflow_approval",
    deps_type=ClaimRequest,
    system_prompt="You hand large insurance claims to a review team, with the tool, when they "
    "are over 1000 USD. You approve smaller claims yourself.",
)


@claims_agent.tool
async def review_claim(context: RunContext[ClaimRequest], amount: int) -> str:
    """Have the review team decide on this claim, of this amount in USD."""
    approved = await restate_context().workflow_call(
        run, key=context.deps.claim_id, arg=Review(amount=amount)
    )
    return "approved" if approved else "rejected"


durable_agent = RestateAgent(claims_agent)
service = restate.Service("WorkflowApprovalAgent", invocation_retry_policy=retries())


@service.handler("run")
async def handle(_ctx: restate.Context, request: ClaimRequest) -> str:
    """Decide on a claim."""
    result = await durable_agent.run(request.message, deps=request)
    return result.output


SERVICES = (service, review)
