"""Evaluator and optimizer: one agent writes and another judges, for a limited number of rounds.

Shows: a loop in the journal with structured verdicts and an upper limit of rounds.

    curl localhost:8080/SloganStudio/run --json '{"product": "a quiet vacuum cleaner"}'
"""

from __future__ import annotations

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries

MAX_ROUNDS = 4


class Product(BaseModel):
    """A product that needs a slogan."""

    product: str


class Verdict(BaseModel):
    """The judge's word."""

    good: bool
    advice: str = ""


class Slogan(BaseModel):
    """The resulting slogan."""

    slogan: str
    rounds: int
    accepted: bool


author = RestateAgent(
    Agent(
        agent_model(),
        name="author",
        system_prompt="You write slogans of at most ten words. Follow the advice, if any.",
    )
)
judge = RestateAgent(
    Agent(
        agent_model(),
        name="judge",
        output_type=Verdict,
        system_prompt="You judge slogans. A good slogan ends with an exclamation mark.",
    )
)
service = restate.Service("SloganStudio", invocation_retry_policy=retries())


async def publish(slogan: str) -> None:
    """Send the slogan to the client."""
    await act("publish_slogan", slogan=slogan)


@service.handler()
async def run(ctx: restate.Context, request: Product) -> Slogan:
    """Write a slogan, judge it, and improve it."""
    prompt = f"Product: {request.product}"
    for round_number in range(1, MAX_ROUNDS + 1):
        slogan = (await author.run(prompt)).output
        verdict = (await judge.run(slogan)).output
        if verdict.good or round_number == MAX_ROUNDS:
            await ctx.run_typed("Publish", publish, slogan=slogan)
            return Slogan(slogan=slogan, rounds=round_number, accepted=verdict.good)
        prompt = f"Product: {request.product}\nLast slogan: {slogan}\nAdvice: {verdict.advice}"
    raise AssertionError("the last round returns")


SERVICES = (service,)
