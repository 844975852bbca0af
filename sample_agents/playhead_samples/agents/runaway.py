"""Runaway agent: a usage limit stops an agent that would never end.

Shows: the limit counts the model requests of the whole run, including replayed ones: a
crash does not reset it. The invocation fails once, with a clear reason.

    curl localhost:8080/Researcher/run --json '{"topic": "perpetual motion"}'
    curl localhost:8080/Researcher/run --json '{"topic": "tides"}'
"""

from __future__ import annotations

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.usage import UsageLimits
from restate import TerminalError
from restate.ext.pydantic import RestateAgent, restate_context

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries

MAX_REQUESTS = 5


class Topic(BaseModel):
    """A topic to research."""

    topic: str


research_agent = Agent(
    agent_model(),
    name="researcher",
    system_prompt="You research a topic: search with the tool until you know enough, then sum up.",
)


async def search_library(query: str) -> str:
    """Search the library."""
    await act("search_library", query=query)
    return f"One more hint about {query}."


@research_agent.tool_plain
async def search(query: str) -> str:
    """Search the library for a query."""
    return await restate_context().run_typed("Search", search_library, query=query)


durable_agent = RestateAgent(research_agent)
service = restate.Service("Researcher", invocation_retry_policy=retries())


@service.handler()
async def run(_ctx: restate.Context, request: Topic) -> str:
    """Research a topic within the usage limit."""
    try:
        result = await durable_agent.run(
            f"Topic: {request.topic}", usage_limits=UsageLimits(request_limit=MAX_REQUESTS)
        )
    except UsageLimitExceeded as error:
        # Without this, Restate would retry a run that can only fail again.
        raise TerminalError(str(error), status_code=429) from error
    return result.output


SERVICES = (service,)
