"""Orchestrator and workers: one agent plans, one worker per task runs, one agent sums up.

Shows: structured output (a plan), and an invocation tree. The model decides its width; the
results are joined in order.

    curl localhost:8080/Orchestrator/run --json '{"goal": "Plan a garden party"}'
"""

from __future__ import annotations

import restate
from pydantic import BaseModel, Field
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries

MAX_TASKS = 6


class Goal(BaseModel):
    """A goal as free text."""

    goal: str


class Task(BaseModel):
    """A piece of the work."""

    title: str


class Plan(BaseModel):
    """How to reach the goal."""

    tasks: list[Task] = Field(min_length=1, max_length=MAX_TASKS)


planner = RestateAgent(
    Agent(
        agent_model(),
        name="planner",
        output_type=Plan,
        system_prompt=f"You plan work: split the goal into at most {MAX_TASKS} tasks.",
    )
)
worker_agent = RestateAgent(
    Agent(agent_model(), name="worker", system_prompt="You do one task and report in one sentence.")
)
editor = RestateAgent(
    Agent(
        agent_model(), name="editor", system_prompt="You join the reports of workers into one text."
    )
)
workers = restate.Service("Workers", invocation_retry_policy=retries())
service = restate.Service("Orchestrator", invocation_retry_policy=retries())


async def book_hours(task: str) -> None:
    """Record the hours of a task."""
    await act("book_hours", task=task)


@workers.handler()
async def work(ctx: restate.Context, task: Task) -> str:
    """Do one task."""
    result = await worker_agent.run(task.title)
    await ctx.run_typed("Book hours", book_hours, task=task.title)
    return result.output


@service.handler()
async def run(ctx: restate.Context, request: Goal) -> str:
    """Plan, run the workers in parallel, and sum up."""
    plan = (await planner.run(request.goal)).output
    calls = [ctx.service_call(work, arg=task) for task in plan.tasks]
    await restate.gather(*calls)
    reports = [await call for call in calls]
    return (await editor.run("\n".join(reports))).output


SERVICES = (service, workers)
