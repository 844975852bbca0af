"""Loan workflow of the bank agent (see `bank`): a person approves large loans."""

from __future__ import annotations

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent

from playhead_samples.agent_model import agent_model
from playhead_samples.agents import bank_account
from playhead_samples.agents.bank_account import Transaction
from playhead_samples.effects import act
from playhead_samples.service_options import retries

MANUAL_FROM = 10_000
"""Least amount, in US dollars, that a person has to approve."""


class Loan(BaseModel):
    """A loan application."""

    customer: str
    amount: int
    """In US dollars."""


risk_agent = RestateAgent(
    Agent(
        agent_model(),
        name="risk",
        system_prompt="You assess the risk of loans. Answer with low or high, and one reason.",
    )
)
loans = restate.Workflow("LoanWorkflow", invocation_retry_policy=retries())


async def ask_banker(key: str, risk: str) -> None:
    """Send the application to a banker."""
    await act("ask_banker", loan=key, risk=risk)


@loans.main()
async def run(ctx: restate.WorkflowContext, loan: Loan) -> str:
    """Assess the risk, wait for approval if needed, and pay out."""
    assessed = await risk_agent.run(f"Loan of {loan.amount} USD.")
    first = ctx.promise("first answer", type_hint=str)
    if loan.amount >= MANUAL_FROM:
        await ctx.run_typed("Ask banker", ask_banker, key=ctx.key(), risk=assessed.output)
        await first.resolve("a banker will decide")
        if not await ctx.promise("approved", type_hint=bool).value():
            return "refused"
    else:
        await first.resolve("approved, the money is on its way")
    paid = Transaction(amount=loan.amount, text="loan")
    await ctx.object_call(bank_account.deposit, key=loan.customer, arg=paid)
    return "paid"


@loans.handler()
async def first_answer(ctx: restate.WorkflowSharedContext) -> str:
    """Return the first answer to the customer."""
    return await ctx.promise("first answer", type_hint=str).value()


@loans.handler()
async def approve(ctx: restate.WorkflowSharedContext, approved: bool) -> None:
    """Resolve the promise with the banker's decision."""
    await ctx.promise("approved", type_hint=bool).resolve(approved)
