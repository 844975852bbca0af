"""Parallel agents: three reviewers read a text at the same time, each in its own invocation.

Shows: parallel calls, joined with `restate.gather`, in one invocation tree.

    curl localhost:8080/ReviewBoard/run --json '{"text": "Our product is the best of the world."}'
"""

from __future__ import annotations

from typing import Literal

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries

Aspect = Literal["tone", "facts", "grammar"]
ASPECTS: tuple[Aspect, ...] = ("tone", "facts", "grammar")


class Text(BaseModel):
    """A text to review."""

    text: str


class Review(BaseModel):
    """A text and the aspect to review."""

    text: str
    aspect: Aspect


reviewer_agent = RestateAgent(
    Agent(
        agent_model(),
        name="reviewer",
        system_prompt="You review texts for one aspect: tone, facts or grammar. Give one sentence.",
    )
)
reviewer = restate.Service("Reviewer", invocation_retry_policy=retries())
board = restate.Service("ReviewBoard", invocation_retry_policy=retries())


async def file_review(aspect: str) -> None:
    """Store a review."""
    await act("file_review", aspect=aspect)


@reviewer.handler()
async def review(ctx: restate.Context, request: Review) -> str:
    """Review one aspect."""
    result = await reviewer_agent.run(f"Aspect: {request.aspect}. Text: {request.text}")
    await ctx.run_typed("File review", file_review, aspect=request.aspect)
    return result.output


@board.handler()
async def run(ctx: restate.Context, request: Text) -> dict[str, str]:
    """Review all aspects in parallel."""
    calls = [
        ctx.service_call(review, arg=Review(text=request.text, aspect=aspect)) for aspect in ASPECTS
    ]
    await restate.gather(*calls)
    return {aspect: await call for aspect, call in zip(ASPECTS, calls, strict=True)}


SERVICES = (board, reviewer)
