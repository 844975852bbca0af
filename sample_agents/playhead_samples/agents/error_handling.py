"""Error handling: which errors are retried, which reach the model, and which end the run.

- The model fails: three tries, then the invocation fails (limited by `RunOptions`).
- An order number has the wrong format: `ModelRetry` reaches the model, which corrects it.
- The order system is down: three tries, then the model is informed that it is unavailable.
- Order A-666 is sealed: an uncaught `TerminalError` ends the invocation with 403.

    curl localhost:8080/OrderDesk/run --json '{"message": "Where is order A-17?"}'
    curl localhost:8080/OrderDesk/run --json '{"message": "Where is order 17?"}'
    curl localhost:8080/OrderDesk/run --json '{"message": "Where is order A-666?"}'
"""

from __future__ import annotations

import re
from datetime import timedelta

import restate
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry
from restate import RunOptions, TerminalError
from restate.ext.pydantic import RestateAgent, restate_context

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries

MAX_TRIES = 3
RETRY_INTERVAL = timedelta(milliseconds=100)


class OrderRequest(BaseModel):
    """A question as free text."""

    message: str


orders_agent = Agent(
    agent_model(),
    name="orders",
    system_prompt="You answer questions about orders. Look an order up with the tool; order "
    "numbers look like A-17.",
)


async def query_orders(order: str) -> str:
    """Query the order system."""
    await act("query_orders", order=order)
    return f"Order {order} is on its way."


@orders_agent.tool_plain(retries=2)
async def look_up_order(order: str) -> str:
    """Look up where an order is."""
    if order == "A-666":
        raise TerminalError("order A-666 is sealed by a court", status_code=403)
    if not re.fullmatch(r"A-\d+", order):
        raise ModelRetry("Order numbers look like A-17.")
    try:
        return await restate_context().run_typed(
            "Query orders",
            query_orders,
            RunOptions(max_attempts=MAX_TRIES, initial_retry_interval=RETRY_INTERVAL),
            order=order,
        )
    except TerminalError as error:
        if error.status_code == 409:  # the invocation was cancelled
            raise
        return f"The order system is unavailable: {error.message}"


durable_agent = RestateAgent(
    orders_agent,
    run_options=RunOptions(max_attempts=MAX_TRIES, initial_retry_interval=RETRY_INTERVAL),
)
service = restate.Service("OrderDesk", invocation_retry_policy=retries())


@service.handler()
async def run(_ctx: restate.Context, request: OrderRequest) -> str:
    """Answer a question about an order."""
    result = await durable_agent.run(request.message)
    return result.output


SERVICES = (service,)
