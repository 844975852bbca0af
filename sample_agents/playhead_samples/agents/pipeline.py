"""Sequential pipeline: extract, sort, then format; each agent works on the previous answer.

Shows: three agents in one journal. After a crash, the pipeline continues at the step it reached.

    curl localhost:8080/Pipeline/run --json '{"text": "Invoice 42 over 1200 USD, due in June."}'
"""

from __future__ import annotations

import restate
from pydantic import BaseModel
from pydantic_ai import Agent
from restate.ext.pydantic import RestateAgent

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries


class Text(BaseModel):
    """A text to process."""

    text: str


extractor = RestateAgent(
    Agent(
        agent_model(),
        name="extractor",
        system_prompt="You extract the figures of a text, as a list with commas.",
    )
)
sorter = RestateAgent(
    Agent(
        agent_model(),
        name="sorter",
        system_prompt="You sort figures from the largest to the smallest, as a list with commas.",
    )
)
writer = RestateAgent(
    Agent(
        agent_model(),
        name="writer",
        system_prompt="You write a table in Markdown from a list of figures.",
    )
)
service = restate.Service("Pipeline", invocation_retry_policy=retries())


async def archive(stage: str, text: str) -> None:
    """Archive the result of a stage."""
    await act("archive", stage=stage, length=len(text))


@service.handler()
async def run(ctx: restate.Context, request: Text) -> str:
    """Return the figures of a text as a table."""
    text = request.text
    for stage, agent in (("extract", extractor), ("sort", sorter), ("write", writer)):
        text = (await agent.run(text)).output
        await ctx.run_typed(f"Archive {stage}", archive, stage=stage, text=text)
    return text


SERVICES = (service,)
