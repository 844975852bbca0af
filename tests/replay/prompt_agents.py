"""An agent whose prompts contain values with several spellings; its model is a function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import restate
from playhead_tracing import instrument
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ImageUrl, ModelRetry
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from restate.ext.pydantic import RestateAgent

PIXEL = b"\x89PNG\xff\x00"


class Verdict(BaseModel):
    """The answer of the agent. The first answer has a missing member."""

    text: str
    certain: bool


class Reading(BaseModel):
    value: float
    share: Decimal
    at: datetime


@dataclass
class Site:
    name: str
    opened: date
    position: tuple[float, int]


def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Call the tools that the user names, then answer with an error, then correctly."""
    prompt = next(p for m in messages for p in m.parts if isinstance(p, UserPromptPart))
    tools = str(prompt.content[0]).partition("tools: ")[2].split()
    output = info.output_tools[0].name
    done = sum(isinstance(m, ModelResponse) for m in messages)
    if done == 0:
        calls = [ToolCallPart(name, {"n": 1.0}) for name in tools]
        return ModelResponse([ThinkingPart("hm"), TextPart("Let me see."), *calls])
    if done == 1:
        return ModelResponse([ToolCallPart(output, '{"text": "half"}')])
    return ModelResponse([ToolCallPart(output, {"certain": True, "text": "done"})])


odd = Agent(
    FunctionModel(answer),
    name="odd",
    system_prompt="You <b>look</b> at [odd] things: \x1b[31mé\u202e😀\x00.",
    instructions="Be exact.\n\n  Keep   spaces.",
    output_type=Verdict,
    retries=2,
)


@odd.tool_plain
def measure(n: float) -> dict[str, Any]:
    """Numbers, times, tuples and text that looks like JSON."""
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    reading = Reading(value=n, share=Decimal("0.10"), at=at)
    return {"z": reading, "a": Site("Oslo", at.date(), (2.0, 3)), "text": '{"b": 1, "a": [2.0]}'}


@odd.tool_plain
def describe(n: float) -> str:
    """JSON as text."""
    return '{"city": "Oslo", "n": 1.0}'


@odd.tool_plain
def nothing(n: float) -> None:
    """No result."""


@odd.tool_plain
def picture(n: float) -> list[Any]:
    """A file."""
    return ["here", BinaryContent(PIXEL, media_type="image/png")]


@odd.tool_plain
def thing(n: float) -> Any:
    """An address in memory."""
    return {"it": f"<Thing at {id(object()):#x}>"}


@odd.tool_plain(retries=2)
def refuse(n: float) -> str:
    """Ask for other arguments."""
    raise ModelRetry(f"not {n}")


@odd.tool_plain
def names(n: float) -> set[str]:
    """A set, whose order differs from process to process."""
    return {f"name {i}" for i in range(20)}


durable = RestateAgent(odd)
service = restate.Service("Odd")


@service.handler()
async def look(_ctx: restate.Context, message: str) -> str:
    """Look at something."""
    files = [ImageUrl("https://example.com/a.png"), BinaryContent(PIXEL, media_type="image/png")]
    result = await durable.run([message, *files])
    return result.output.text


def redact(name: str, value: Any) -> Any:
    """Redact email addresses."""
    return value.replace("ada@example.com", "(address)") if isinstance(value, str) else value


app = instrument(restate.app([service]), redact=redact)
