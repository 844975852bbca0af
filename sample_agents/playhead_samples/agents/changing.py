"""Changing code: an order process with different steps in two versions of the service.

Shows: changed code deployed during a running invocation. `PLAYHEAD_CODE=changed` adds a step
before a journaled one: replay then finds a command that differs from the journal. The server
retries with error RT0016 until the original code is back, or until the invocation is resumed on
a deployment that matches its journal.

    curl localhost:8080/OrderProcess/run/send --json '{"order": "A-17"}'
    curl localhost:8080/restate/awakeables/ID/resolve --json '"paid"'
"""

from __future__ import annotations

import os

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries

CHANGED = os.environ.get("PLAYHEAD_CODE") == "changed"


class Order(BaseModel):
    """An order to process."""

    order: str


clerk = RestateAgent(
    Agent(
        agent_model(),
        name="clerk",
        system_prompt="You are a clerk. Confirm the order to the customer in one sentence.",
    )
)
service = restate.Service("OrderProcess", invocation_retry_policy=retries())


async def do(what: str, order: str) -> None:
    """Run one step of the process."""
    await act(what, order=order)


async def ask_payment(order: str, awakeable_id: str) -> None:
    """Send the bill; the payment resolves the awakeable."""
    await act("ask_payment", order=order, awakeable_id=awakeable_id)


@service.handler()
async def run(ctx: restate.Context, request: Order) -> str:
    """Reserve the stock, wait for the payment, and ship."""
    if CHANGED:
        await ctx.run_typed("Check fraud", do, what="check_order_fraud", order=request.order)
    await ctx.run_typed("Reserve stock", do, what="reserve_stock", order=request.order)
    awakeable_id, payment = ctx.awakeable(type_hint=str)
    await ctx.run_typed(
        "Ask for payment", ask_payment, order=request.order, awakeable_id=awakeable_id
    )
    paid = await payment
    result = await clerk.run(f"Order {request.order} is {paid}.")
    await ctx.run_typed("Ship", do, what="ship", order=request.order)
    return result.output


SERVICES = (service,)
