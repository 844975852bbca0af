"""A weather agent with Google ADK; `GEMINI_URL` is an endpoint that speaks the Gemini API.

python google_adk_service.py PORT
"""

import asyncio
import os
import sys

import restate
from google.adk import Runner
from google.adk.agents.llm_agent import Agent
from google.adk.apps import App
from google.adk.models import Gemini
from google.genai.types import Content, Part
from hypercorn.asyncio import serve
from hypercorn.config import Config
from restate.ext.adk import RestatePlugin, RestateSessionService, restate_context

calls = 0


async def call_station(city: str) -> dict:
    global calls
    calls += 1
    if calls == 1:
        raise RuntimeError("the weather station does not answer")
    return {"city": city, "sky": "sunny", "temperature_c": 17}


async def get_weather(city: str) -> dict:
    """Get the current weather of a city."""
    return await restate_context().run_typed("Get weather", call_station, city=city)


agent = Agent(
    model=Gemini(model="gemini-2.5-flash", base_url=os.environ["GEMINI_URL"]),
    name="weather",
    instruction="You are a weather agent.",
    tools=[get_weather],
)
runner = Runner(
    app=App(name="weather", root_agent=agent, plugins=[RestatePlugin()]),
    session_service=RestateSessionService(),
    auto_create_session=True,
)
chat = restate.VirtualObject("AdkWeather")


@chat.handler()
async def message(ctx: restate.ObjectContext, request: dict) -> str | None:
    answer = None
    async for event in runner.run_async(
        user_id=ctx.key(),
        session_id="first",
        new_message=Content(role="user", parts=[Part.from_text(text=request["message"])]),
    ):
        if event.is_final_response() and event.content and event.content.parts:
            answer = event.content.parts[0].text
    return answer


config = Config()
config.bind = [f"127.0.0.1:{sys.argv[1]}"]
asyncio.run(serve(restate.app(services=[chat]), config))
