"""Streaming progress: the agent publishes its progress to a topic that others follow live.

Shows: a streaming model call, and publish/subscribe with a virtual object: `pull` returns new
lines at once, or waits for them on an awakeable.

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
    """Append a line and wake every waiting subscriber."""
    lines = await ctx.get("lines", type_hint=list[str]) or []
    ctx.set("lines", [*lines, line])
    for awakeable_id in await ctx.get("waiting", type_hint=list[str]) or []:
        ctx.resolve_awakeable(awakeable_id, True)
    ctx.clear("waiting")


@progress.handler()
async def wait(ctx: restate.ObjectContext, request: dict[str, str | int]) -> None:
    """Add a waiting subscriber, or wake it at once if it has new lines."""
    lines = await ctx.get("lines", type_hint=list[str]) or []
    awakeable_id = str(request["awakeable_id"])
    if len(lines) > int(request["offset"]):
        ctx.resolve_awakeable(awakeable_id, True)
        return
    waiting = await ctx.get("waiting", type_hint=list[str]) or []
    ctx.set("waiting", [*waiting, awakeable_id])


@progress.handler(kind="shared")
async def pull(ctx: restate.ObjectSharedContext, offset: int) -> list[str]:
    """Return the lines from this offset on; wait until there is at least one."""
    lines = await ctx.get("lines", type_hint=list[str]) or []
    if len(lines) <= offset:
        awakeable_id, woken = ctx.awakeable(type_hint=bool)
        request: dict[str, str | int] = {"awakeable_id": awakeable_id, "offset": offset}
        ctx.object_send(wait, key=ctx.key(), arg=request)
        await woken
        # This handler sees the state of its start; another call sees the new lines.
        return await ctx.object_call(lines_from, key=ctx.key(), arg=offset)
    return lines[offset:]


@progress.handler(kind="shared")
async def lines_from(ctx: restate.ObjectSharedContext, offset: int) -> list[str]:
    """Return the lines from this offset on, without waiting."""
    return (await ctx.get("lines", type_hint=list[str]) or [])[offset:]


class StoryRequest(BaseModel):
    """Subject of the story, and the topic of its progress."""

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
    """Publish the tool calls."""
    if isinstance(stream, StreamedResponse):
        return  # inside the step of the model call, where no other step may start
    async for event in stream:
        match event:
            case FunctionToolCallEvent(part=part):
                publish_line(run.deps.topic, f"calling {part.tool_name}")
            case FunctionToolResultEvent():
                publish_line(run.deps.topic, "the tool has answered")
            case _:
                pass


def publish_line(topic: str, line: str) -> None:
    """Publish a line."""
    restate_context().object_send(publish, key=topic, arg=line)


durable_agent = RestateAgent(story_agent, event_stream_handler=follow)
service = restate.Service("Storyteller", invocation_retry_policy=retries())


@service.handler()
async def run(_ctx: restate.Context, request: StoryRequest) -> str:
    """Tell a story and publish its progress."""
    publish_line(request.topic, "begun")
    result = await durable_agent.run(f"About: {request.about}", deps=request)
    publish_line(request.topic, f"done: {result.output}")
    return result.output


SERVICES = (service, progress)
