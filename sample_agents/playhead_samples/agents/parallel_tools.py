"""Parallel tool steps: one tool runs three durable steps at once with `restate.gather`.

Shows: overlapping bars in the timeline. When one step fails, the attempt ends. Results that
are in the journal are kept; a step that was still running is executed again (at least
once).

    curl localhost:8080/ClaimAnalyst/run --json '{"message": "Assess a claim of 7000 USD."}'
"""

from __future__ import annotations

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent, restate_context

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries


class ClaimRequest(BaseModel):
    """A claim as free text."""

    message: str


analyst = Agent(
    agent_model(),
    name="analyst",
    system_prompt="You are a claim analyst. Calculate the metrics of the claim with the tool, "
    "then recommend to pay or to refuse.",
)


async def check_eligibility(amount: int) -> str:
    """Check whether the policy covers the claim."""
    await act("check_eligibility", amount=amount)
    return "eligible" if amount <= 10_000 else "not eligible"


async def compare_rates(amount: int) -> str:
    """Compare the claim with the usual cost."""
    await act("compare_rates", amount=amount)
    return "usual cost" if amount <= 8_000 else "above the usual cost"


async def check_fraud(amount: int) -> str:
    """Rate the risk of fraud."""
    await act("check_fraud", amount=amount)
    return "low fraud risk" if amount % 1000 == 0 else "medium fraud risk"


@analyst.tool_plain
async def calculate_metrics(amount: int) -> list[str]:
    """Calculate eligibility, cost and fraud risk of a claim, in USD."""
    ctx = restate_context()
    steps = await restate.gather(
        ctx.run_typed("Check eligibility", check_eligibility, amount=amount),
        ctx.run_typed("Compare rates", compare_rates, amount=amount),
        ctx.run_typed("Check fraud", check_fraud, amount=amount),
    )
    return [await step for step in steps]


durable_agent = RestateAgent(analyst)
service = restate.Service("ClaimAnalyst", invocation_retry_policy=retries())


@service.handler()
async def run(_ctx: restate.Context, request: ClaimRequest) -> str:
    """Assess a claim."""
    result = await durable_agent.run(request.message)
    return result.output


SERVICES = (service,)
