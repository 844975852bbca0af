"""Wrapped tools: `auto_wrap_tools` makes every tool a durable step without code in the tool.

Shows: steps named "Calling {tool}", and two tool calls in one answer of the model. The
integration runs them in sequence: their order is the same in every attempt.

    curl localhost:8080/Concierge/run --json '{"message": "An evening in Lisbon, please."}'
"""

from __future__ import annotations

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries


class Wish(BaseModel):
    """A request as free text."""

    message: str


concierge = Agent(
    agent_model(),
    name="concierge",
    system_prompt="You are a concierge. Reserve a table and a cab in the city, with both tools at "
    "once, then confirm the evening.",
)


@concierge.tool_plain
async def reserve_table(city: str) -> str:
    """Reserve a table in a city."""
    await act("reserve_table", city=city)
    return f"a table in {city} at eight"


@concierge.tool_plain
async def order_cab(city: str) -> str:
    """Order a cab in a city."""
    await act("order_cab", city=city)
    return f"a cab in {city} at half past seven"


durable_agent = RestateAgent(concierge, auto_wrap_tools=True)
service = restate.Service("Concierge", invocation_retry_policy=retries())


@service.handler()
async def run(_ctx: restate.Context, request: Wish) -> str:
    """Plan an evening."""
    result = await durable_agent.run(request.message)
    return result.output


SERVICES = (service,)
