"""Chat on a virtual object: one object per conversation, with the message history as its state.

Shows: `message` is exclusive, so two messages to one key are queued, and the second sees the
answer to the first. `get_history` is shared and answers while a message is being processed.

    curl localhost:8080/ChatAgent/ada/message --json '{"message": "My name is Ada."}'
    curl localhost:8080/ChatAgent/ada/message --json '{"message": "What is my name?"}'
    curl localhost:8080/ChatAgent/ada/get_history -X POST
"""

from __future__ import annotations

import restate
from pydantic import BaseModel, TypeAdapter
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from restate.ext.pydantic import RestateAgent
from restate.serde import Serde

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries


class ChatMessage(BaseModel):
    """A message from the user."""

    message: str


class HistorySerde(Serde[list[ModelMessage]]):
    """Message history in Pydantic AI's JSON format."""

    _adapter = TypeAdapter(list[ModelMessage])

    def serialize(self, obj: list[ModelMessage] | None) -> bytes:
        """Write JSON."""
        return b"" if obj is None else self._adapter.dump_json(obj)

    def deserialize(self, buf: bytes) -> list[ModelMessage] | None:
        """Read JSON."""
        return self._adapter.validate_json(buf) if buf else None


HISTORY = HistorySerde()
AS_HISTORY = restate.RunOptions[list[ModelMessage]](serde=HISTORY)

chat_agent = Agent(
    agent_model(),
    name="chat",
    instructions="You are a friendly chat partner. Answer in one or two sentences.",
)
durable_agent = RestateAgent(chat_agent)
chat = restate.VirtualObject("ChatAgent", invocation_retry_policy=retries())


@chat.handler()
async def message(ctx: restate.ObjectContext, request: ChatMessage) -> str:
    """Answer a message with the whole conversation as context, and store the answer."""
    history = await ctx.get("history", serde=HISTORY) or []
    result = await durable_agent.run(request.message, message_history=history)
    # Messages contain their creation time and the run's id. State is compared on replay, so
    # values that differ between attempts have to pass through a step.
    history = await ctx.run_typed(
        "Keep history", unchanged, AS_HISTORY, messages=result.all_messages()
    )
    ctx.set("history", history, serde=HISTORY)
    await ctx.run_typed("Deliver answer", deliver_answer, key=ctx.key(), text=result.output)
    return result.output


async def unchanged(messages: list[ModelMessage]) -> list[ModelMessage]:
    """Return the history; later attempts replay the result of the first one."""
    return messages


async def deliver_answer(key: str, text: str) -> None:
    """Send the answer to the user."""
    await act("deliver_answer", key=key, text=text)


@chat.handler(kind="shared")
async def get_history(ctx: restate.ObjectSharedContext) -> list[dict[str, str]]:
    """Return the conversation so far, as roles and texts."""
    return [line for m in await ctx.get("history", serde=HISTORY) or [] for line in _lines(m)]


def _lines(message: ModelMessage) -> list[dict[str, str]]:
    match message:
        case ModelRequest(parts=parts):
            return [
                {"role": "user", "text": str(p.content)}
                for p in parts
                if isinstance(p, UserPromptPart)
            ]
        case ModelResponse(parts=parts):
            return [
                {"role": "assistant", "text": p.content} for p in parts if isinstance(p, TextPart)
            ]


SERVICES = (chat,)
