"""A weather agent with LangChain; `OPENAI_BASE_URL` is the local model server.

python langchain_service.py PORT
"""

import asyncio
import sys

import restate
from hypercorn.asyncio import serve
from hypercorn.config import Config
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from restate.ext.langchain import RestateMiddleware, restate_context

calls = 0


async def call_station(city: str) -> dict:
    global calls
    calls += 1
    if calls == 1:
        raise RuntimeError("the weather station does not answer")
    return {"city": city, "sky": "sunny", "temperature_c": 17}


@tool
async def get_weather(city: str) -> dict:
    """Get the current weather of a city."""
    return await restate_context().run_typed("Get weather", call_station, city=city)


agent = create_agent(
    model=ChatOpenAI(model="gpt-local", max_retries=0),
    tools=[get_weather],
    system_prompt="You are a weather agent.",
    middleware=[RestateMiddleware()],
)
service = restate.Service("LangChainWeather")


@service.handler()
async def run(_ctx: restate.Context, request: dict) -> str:
    result = await agent.ainvoke({"messages": [{"role": "user", "content": request["message"]}]})
    return result["messages"][-1].content


config = Config()
config.bind = [f"127.0.0.1:{sys.argv[1]}"]
asyncio.run(serve(restate.app(services=[service]), config))
