"""Interruptible agent: a new message cancels the current run and starts one with both messages.

Shows: a cancellation that reaches the running task, its cleanup as a durable step, and the new
run. To have time to interrupt it, inject a `slow` fault of the model for agent `coder`.

    curl localhost:8080/CodingAgent/ada/message --json '{"message": "Write a todo list."}'
    curl localhost:8080/CodingAgent/ada/message --json '{"message": "In Rust, please."}'
    curl localhost:8080/CodingAgent/ada/get_history -X POST
"""

from __future__ import annotations

from datetime import timedelta

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate import RestateDurableFuture, TerminalError
from restate.ext.pydantic import RestateAgent

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries

CLEANUP_TIMEOUT = timedelta(seconds=30)
STAGES = ("plan", "draft", "polish")


class UserMessage(BaseModel):
    """A wish as free text."""

    message: str


class Task(BaseModel):
    """The wishes to work on, and their owner."""

    owner: str
    wishes: list[str]


coder = RestateAgent(
    Agent(
        agent_model(),
        name="coder",
        system_prompt="You write programs in stages. Answer with the result of the stage.",
    )
)
coding = restate.VirtualObject("CodingAgent", invocation_retry_policy=retries())
tasks = restate.Service("CodingTask", invocation_retry_policy=retries())


async def remove_workspace(owner: str) -> None:
    """Remove the files of a cancelled task."""
    await act("remove_workspace", owner=owner)


@tasks.handler()
async def work(ctx: restate.Context, task: Task) -> None:
    """Work through the stages and report the result; clean up after a cancellation."""
    try:
        text = "; ".join(task.wishes)
        for stage in STAGES:
            text = (await coder.run(f"Stage: {stage}\n{text}")).output
        ctx.object_send(finished, key=task.owner, arg=text)
    except TerminalError:
        await ctx.run_typed("Remove workspace", remove_workspace, owner=task.owner)
        raise


@coding.handler()
async def message(ctx: restate.ObjectContext, request: UserMessage) -> int:
    """Add a wish and interrupt the current task; return the number of wishes."""
    wishes = [*(await ctx.get("wishes", type_hint=list[str]) or []), request.message]
    current = await ctx.get("task", type_hint=str)
    if current is not None:
        ctx.cancel_invocation(current)
        ended: RestateDurableFuture[None] = ctx.attach_invocation(current)
        try:
            await restate.select(ended=ended, limit=ctx.sleep(CLEANUP_TIMEOUT))
        except TerminalError as error:
            if error.status_code != 409:
                raise
    handle = ctx.service_send(work, arg=Task(owner=ctx.key(), wishes=wishes))
    ctx.set("task", await handle.invocation_id())
    ctx.set("wishes", wishes)
    return len(wishes)


@coding.handler()
async def finished(ctx: restate.ObjectContext, result: str) -> None:
    """Store the result of a task."""
    ctx.set("result", result)
    ctx.clear("task")


@coding.handler(kind="shared")
async def get_history(ctx: restate.ObjectSharedContext) -> dict[str, list[str] | str | None]:
    """Return the wishes and the latest result."""
    wishes = await ctx.get("wishes", type_hint=list[str]) or []
    return {"wishes": wishes, "result": await ctx.get("result", type_hint=str)}


SERVICES = (coding, tasks)
