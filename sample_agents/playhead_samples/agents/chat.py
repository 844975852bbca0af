"""Chat on a virtual object: the message history is the object's state, one object a conversation.

Shows: `message` is exclusive, so two messages to one key queue up and see each other's answer;
`get_history` is shared and answers meanwhile.

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
    """One message of the user."""

    message: str


class HistorySerde(Serde[list[ModelMessage]]):
    """Message history as Pydantic AI writes it."""

    _adapter = TypeAdapter(list[ModelMessage])

    def serialize(self, obj: list[ModelMessage] | None) -> bytes:
        """To JSON."""
        return b"" if obj is None else self._adapter.dump_json(obj)

    def deserialize(self, buf: bytes) -> list[ModelMessage] | None:
        """From JSON."""
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
    """Answer with the whole conversation in mind, and remember the answer."""
    history = await ctx.get("history", serde=HISTORY) or []
    result = await durable_agent.run(request.message, message_history=history)
    # Messages carry the time they were made and the run's id. State is compared on replay, so
    # what differs from attempt to attempt has to pass through a step.
    history = await ctx.run_typed("Keep history", kept, AS_HISTORY, messages=result.all_messages())
    ctx.set("history", history, serde=HISTORY)
    await ctx.run_typed("Deliver answer", act_delivered, key=ctx.key(), text=result.output)
    return result.output


async def kept(messages: list[ModelMessage]) -> list[ModelMessage]:
    """The history as the first attempt saw it."""
    return messages


async def act_delivered(key: str, text: str) -> None:
    """The answer goes out to the user."""
    await act("deliver_answer", key=key, text=text)


@chat.handler(kind="shared")
async def get_history(ctx: restate.ObjectSharedContext) -> list[dict[str, str]]:
    """The conversation so far, as role and text."""
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
