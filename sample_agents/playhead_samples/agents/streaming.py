"""Streaming progress: the agent publishes what it does to a topic, others follow it live.

Shows: the streaming form of a model call, and publish/subscribe as a virtual object: `pull`
answers at once when there is something new and otherwise waits on an awakeable.

    curl localhost:8080/Storyteller/run/send --json '{"topic": "t1", "about": "a fox"}'
    curl localhost:8080/Progress/t1/pull --json '0'
"""

from __future__ import annotations

from collections.abc import AsyncIterable

import restate
from pydantic import BaseModel
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import AgentStreamEvent, FunctionToolCallEvent, FunctionToolResultEvent
from pydantic_ai.models import StreamedResponse
from restate.ext.pydantic import RestateAgent, restate_context

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries

progress = restate.VirtualObject("Progress", invocation_retry_policy=retries())


@progress.handler()
async def publish(ctx: restate.ObjectContext, line: str) -> None:
    """Append a line and wake everybody who waits."""
    lines = await ctx.get("lines", type_hint=list[str]) or []
    ctx.set("lines", [*lines, line])
    for awakeable_id in await ctx.get("waiting", type_hint=list[str]) or []:
        ctx.resolve_awakeable(awakeable_id, True)
    ctx.clear("waiting")


@progress.handler()
async def wait(ctx: restate.ObjectContext, request: dict[str, str | int]) -> None:
    """Note who waits for lines from an offset; wakes them at once when there are some."""
    lines = await ctx.get("lines", type_hint=list[str]) or []
    awakeable_id = str(request["awakeable_id"])
    if len(lines) > int(request["offset"]):
        ctx.resolve_awakeable(awakeable_id, True)
        return
    waiting = await ctx.get("waiting", type_hint=list[str]) or []
    ctx.set("waiting", [*waiting, awakeable_id])


@progress.handler(kind="shared")
async def pull(ctx: restate.ObjectSharedContext, offset: int) -> list[str]:
    """The lines from this offset on; waits until there is at least one."""
    lines = await ctx.get("lines", type_hint=list[str]) or []
    if len(lines) <= offset:
        awakeable_id, woken = ctx.awakeable(type_hint=bool)
        request: dict[str, str | int] = {"awakeable_id": awakeable_id, "offset": offset}
        ctx.object_send(wait, key=ctx.key(), arg=request)
        await woken
        # State is what it was when this handler began: ask the object for the new one.
        return await ctx.object_call(lines_from, key=ctx.key(), arg=offset)
    return lines[offset:]


@progress.handler(kind="shared")
async def lines_from(ctx: restate.ObjectSharedContext, offset: int) -> list[str]:
    """The lines from this offset on, without waiting."""
    return (await ctx.get("lines", type_hint=list[str]) or [])[offset:]


class StoryRequest(BaseModel):
    """What the story is about, and where its progress is published."""

    topic: str
    about: str


story_agent = Agent(
    agent_model(),
    name="storyteller",
    deps_type=StoryRequest,
    system_prompt="You are a storyteller. Pick a setting with the tool, then tell a story of "
    "three sentences.",
)


async def draw_setting(about: str) -> str:
    """Draw a setting."""
    await act("draw_setting", about=about)
    return ("a harbour", "a forest", "a library")[len(about) % 3]


@story_agent.tool_plain
async def pick_setting(about: str) -> str:
    """Pick the setting of a story."""
    return await restate_context().run_typed("Draw setting", draw_setting, about=about)


async def follow(run: RunContext[StoryRequest], stream: AsyncIterable[AgentStreamEvent]) -> None:
    """Publish what the tools do."""
    if isinstance(stream, StreamedResponse):
        return  # inside the step of the model call, where no other step may begin
    async for event in stream:
        match event:
            case FunctionToolCallEvent(part=part):
                say(run.deps.topic, f"calling {part.tool_name}")
            case FunctionToolResultEvent():
                say(run.deps.topic, "the tool has answered")
            case _:
                pass


def say(topic: str, line: str) -> None:
    """Publish a line."""
    restate_context().object_send(publish, key=topic, arg=line)


durable_agent = RestateAgent(story_agent, event_stream_handler=follow)
service = restate.Service("Storyteller", invocation_retry_policy=retries())


@service.handler()
async def run(_ctx: restate.Context, request: StoryRequest) -> str:
    """Tell a story, and publish how it goes."""
    say(request.topic, "begun")
    result = await durable_agent.run(f"About: {request.about}", deps=request)
    say(request.topic, f"done: {result.output}")
    return result.output


SERVICES = (service, progress)
