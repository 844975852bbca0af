"""Durable weather agent: every LLM call and every tool call is a step in the journal.

Shows: retries of a failing tool without another LLM call. To see the attempts, inject a fault into
`get_weather` with `"match": "Denver"`.

    curl localhost:8080/WeatherAgent/run --json '{"message": "What is the weather in Denver?"}'
"""

from __future__ import annotations

from typing import Any

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent, restate_context

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries

SKIES = ("sunny", "cloudy", "light rain", "windy")


class WeatherRequest(BaseModel):
    """A question as free text."""

    message: str


weather_agent = Agent(
    agent_model(),
    name="weather",
    system_prompt="You are a weather agent. Look up the weather of the city with the tool, "
    "then report it in one sentence.",
)


async def fetch_weather(city: str) -> dict[str, Any]:
    """Return a weather report, derived from the city's name."""
    await act("get_weather", city=city)
    seed = sum(city.encode())
    return {"city": city, "temperature_c": seed % 35, "sky": SKIES[seed % len(SKIES)]}


@weather_agent.tool_plain
async def get_weather(city: str) -> dict[str, Any]:
    """Get the current weather of a city."""
    return await restate_context().run_typed("Get weather", fetch_weather, city=city)


durable_agent = RestateAgent(weather_agent)
service = restate.Service("WeatherAgent", invocation_retry_policy=retries())


@service.handler()
async def run(_ctx: restate.Context, request: WeatherRequest) -> str:
    """Answer a question about the weather."""
    result = await durable_agent.run(request.message)
    return result.output


SERVICES = (service,)
