"""Agents on real Restate services that follow the plan of their run."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import restate
from mcp.server import MCPServer
from opentelemetry import trace
from pydantic_ai import Agent, RunContext
from pydantic_ai.mcp import TOOL_SCHEMA_VALIDATOR, MCPToolset
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.toolsets.abstract import ToolsetTool
from restate.ext.pydantic import RestateAgent, restate_context
from restate.ext.pydantic._toolset import RestateMCPToolset
from tracing_openai import build_openai
from tracing_world import World


def mend_mcp() -> None:
    """restate-sdk 1.3.0 calls `MCPToolset.tool_for_tool_def` without the `ctx` that it requires."""

    def tool_for_tool_def(self: RestateMCPToolset, tool_def: Any) -> ToolsetTool[Any]:
        return ToolsetTool(
            toolset=self.wrapped,
            tool_def=tool_def,
            max_retries=1,
            args_validator=TOOL_SCHEMA_VALIDATOR,
        )

    RestateMCPToolset.tool_for_tool_def = tool_for_tool_def


FAST: dict[str, Any] = {
    "invocation_retry_policy": restate.InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=30),
        exponentiation_factor=1.0,
        max_attempts=100_000,
    ),
    "inactivity_timeout": timedelta(seconds=1),
    "abort_timeout": timedelta(seconds=20),
}


def key_of(messages: list[ModelMessage]) -> str:
    first = messages[0]
    assert isinstance(first, ModelRequest)
    part = next(p for p in first.parts if isinstance(p, UserPromptPart))
    assert isinstance(part.content, str)
    return part.content


def build(world: World, model_url: str | None = None) -> list[Any]:
    """Return the services; the key names the run and is also the prompt."""

    def planned(messages: list[ModelMessage]) -> tuple[str, int, Any]:
        key = key_of(messages)
        number = sum(isinstance(m, ModelResponse) for m in messages)
        world.ran(key, f"chat {number + 1}")
        return key, number, world.script(key)[number]

    async def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        key, number, planned_answer = planned(messages)
        if isinstance(planned_answer, str):
            if planned_answer == "slow once" and world.counts(key)[f"chat {number + 1}"] == 1:
                await asyncio.sleep(30)
            return ModelResponse(parts=[TextPart(planned_answer)])
        return ModelResponse(
            parts=[
                ToolCallPart(tool, args, tool_call_id=f"call_{number}_{i}")
                for i, (tool, args) in enumerate(planned_answer)
            ]
        )

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        _, number, planned_answer = planned(messages)
        if isinstance(planned_answer, str):
            for word in planned_answer.split():
                yield word + " "
        else:
            yield {
                i: DeltaToolCall(tool, json.dumps(args), tool_call_id=f"call_{number}_{i}")
                for i, (tool, args) in enumerate(planned_answer)
            }

    scripted = FunctionModel(model, stream_function=stream, model_name="scripted")

    async def step(key: str, name: str, seconds: float = 0) -> str:
        async def act() -> str:
            world.ran(key, f"step {name}")
            await asyncio.sleep(seconds)
            return name

        return await restate_context().run_typed(name, act)

    agent = Agent(scripted, name="main", deps_type=str)
    sub = Agent(scripted, name="sub", deps_type=str)

    @agent.tool
    async def look(ctx: RunContext[str], name: str, seconds: float = 0) -> str:
        """One durable step."""
        return await step(ctx.deps, name, seconds)

    @agent.tool
    async def plain(ctx: RunContext[str], name: str) -> str:
        """No durable step."""
        world.ran(ctx.deps, f"plain {name}")
        return name

    @agent.tool
    async def bad(ctx: RunContext[str], name: str) -> str:
        """A durable step, then an error outside of it."""
        await step(ctx.deps, name)
        world.ran(ctx.deps, f"after {name}")
        return name

    @agent.tool
    async def approve(ctx: RunContext[str]) -> str:
        """Wait for a human."""
        awakeable, answer = restate_context().awakeable(type_hint=str)
        world.publish(ctx.deps, awakeable)
        return await answer

    @agent.tool
    async def notify_then_approve(ctx: RunContext[str]) -> str:
        """A step, then a human."""
        awakeable, answer = restate_context().awakeable(type_hint=str)
        await step(ctx.deps, "notify")
        world.publish(ctx.deps, awakeable)
        return await answer

    @agent.tool
    async def delegate(ctx: RunContext[str]) -> str:
        """Run another agent."""
        return (await durable_sub.run(f"{ctx.deps}-sub", deps=f"{ctx.deps}-sub")).output

    @agent.tool
    async def third(ctx: RunContext[str]) -> str:
        """Call another service, which runs an agent too."""
        return await restate_context().service_call(serve, f"{ctx.deps}-third")

    @agent.tool
    async def refuse(ctx: RunContext[str]) -> str:
        """A terminal error."""
        raise restate.TerminalError("not allowed", status_code=403)

    auto = Agent(scripted, name="auto", deps_type=str)

    @auto.tool
    async def work(ctx: RunContext[str], name: str) -> str:
        """A plain tool that RestateAgent makes a step."""
        world.ran(ctx.deps, f"work {name}")
        return name

    streaming = Agent(scripted, name="streaming", deps_type=str)

    @streaming.tool
    async def look_streaming(ctx: RunContext[str], name: str) -> str:
        """One durable step."""
        return await step(ctx.deps, name)

    root = logging.getLogger()
    handlers = list(root.handlers)
    tools = MCPServer("tools")
    # It renders every logged traceback with rich, which takes a second each.
    root.handlers[:] = handlers
    logging.getLogger("restate").setLevel(logging.CRITICAL)

    @tools.tool()
    async def remote(key: str, name: str) -> str:
        """A tool of an MCP server."""
        world.ran(key, f"remote {name}")
        return name

    mcp = Agent(scripted, name="mcp", deps_type=str, toolsets=[MCPToolset(tools)])

    async def on_events(ctx: RunContext[str], events: Any) -> None:
        async for _ in events:
            pass

    durable = RestateAgent(agent)
    durable_sub = RestateAgent(sub)
    durable_auto = RestateAgent(auto, auto_wrap_tools=True)
    durable_streaming = RestateAgent(streaming, event_stream_handler=on_events)

    mend_mcp()
    durable_mcp = RestateAgent(mcp)

    agents = restate.Service("Agents", **FAST)
    others = restate.Service("Third", **FAST)
    session = restate.VirtualObject("Session", **FAST)
    flow = restate.Workflow("Flow", **FAST)

    @agents.handler()
    async def ask(ctx: restate.Context, key: str) -> str:
        return (await durable.run(key, deps=key)).output

    @agents.handler()
    async def ask_auto(ctx: restate.Context, key: str) -> str:
        return (await durable_auto.run(key, deps=key)).output

    @agents.handler()
    async def ask_streaming(ctx: restate.Context, key: str) -> str:
        return (await durable_streaming.run(key, deps=key)).output

    @agents.handler()
    async def ask_mcp(ctx: restate.Context, key: str) -> str:
        return (await durable_mcp.run(key, deps=key)).output

    @agents.handler()
    async def ask_then_raise(ctx: restate.Context, key: str) -> str:
        output = (await durable.run(key, deps=key)).output
        world.ran(key, "handler")
        return output

    @agents.handler()
    async def gather(ctx: restate.Context, key: str) -> list[str]:
        tracer = trace.get_tracer("users")

        def act(name: str) -> Any:
            async def run() -> str:
                world.ran(key, f"step {name}")
                with tracer.start_as_current_span(f"user {name}"):
                    await asyncio.sleep(0.02)
                return name

            return run

        with tracer.start_as_current_span("user gather"):
            both = [ctx.run_typed(n, act(n)) for n in ("left", "right")]
            await restate.gather(*both)
        return [await future for future in both]

    @agents.handler()
    async def sync_step(ctx: restate.Context, key: str) -> str:
        def act() -> str:
            world.ran(key, "step sync")
            with trace.get_tracer("users").start_as_current_span("user in thread"):
                return "done"

        return await ctx.run_typed("sync", act)

    @others.handler()
    async def serve(ctx: restate.Context, key: str) -> str:
        return (await durable_sub.run(key, deps=key)).output

    @others.handler()
    async def note(ctx: restate.Context, key: str) -> str:
        async def act() -> str:
            world.ran(key, "step note")
            return key

        return await ctx.run_typed("note", act)

    @session.handler()
    async def talk(ctx: restate.ObjectContext, key: str) -> str:
        turns = await ctx.get("turns", type_hint=int) or 0
        output = (await durable.run(key, deps=key)).output
        ctx.set("turns", turns + 1)
        world.ran(key, "handler")
        return output

    @flow.main()
    async def main(ctx: restate.WorkflowContext, key: str) -> str:
        ctx.service_send(note, f"{key}-now")
        ctx.service_send(note, f"{key}-later", send_delay=timedelta(milliseconds=300))
        answer = (await durable.run(key, deps=key)).output
        world.publish(key, "waits")
        approved = await ctx.promise("approved", type_hint=str).value()
        await ctx.sleep(timedelta(milliseconds=50))
        return f"{answer} {approved}"

    @flow.handler()
    async def decide(ctx: restate.WorkflowSharedContext, answer: str) -> None:
        await ctx.promise("approved", type_hint=str).resolve(answer)

    services: list[Any] = [agents, others, session, flow]
    return [*services, build_openai(world, model_url, FAST)] if model_url else services
