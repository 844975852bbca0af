"""Airline customer service with the OpenAI Agents SDK: a triage agent hands over to specialists.

Shows: `restate.ext.openai` with the Responses API, handoffs, and the session as the state of a
virtual object. The agent that answered last receives the next message first.

    curl localhost:8080/AirlineAgent/ada/message --json \
      '{"message": "How much luggage is included?"}'
    curl localhost:8080/AirlineAgent/ada/message --json \
      '{"message": "Please change my seat to 12A, my booking is QX71."}'
"""

from __future__ import annotations

import os

import restate
from agents import (
    Agent,
    handoff,
    set_default_openai_api,
    set_default_openai_client,
    set_trace_processors,
)
from pydantic import BaseModel
from restate import TerminalError
from restate.ext.openai import DurableRunner, durable_function_tool, restate_context

from playhead_samples.agent_model import agents_sdk_model, openai_client
from playhead_samples.effects import act
from playhead_samples.service_options import retries

MODEL = agents_sdk_model()
set_default_openai_client(openai_client(), use_for_tracing=False)
set_default_openai_api("responses")
if not os.environ.get("PLAYHEAD_MODEL"):
    set_trace_processors([])  # the SDK would send its own traces to OpenAI


class CustomerMessage(BaseModel):
    """A message from a customer."""

    message: str


@durable_function_tool
async def look_up_faq(question: str) -> str:
    """Look up the answer to a question about luggage, seats or Wi-Fi."""
    return await restate_context().run_typed("Look up FAQ", search_faq, question=question)


@durable_function_tool
async def change_seat(booking: str, seat: str) -> str:
    """Change the seat of a booking."""
    return await restate_context().run_typed("Change seat", write_seat, booking=booking, seat=seat)


async def search_faq(question: str) -> str:
    """Search the frequently asked questions."""
    await act("search_faq", question=question)
    if "luggage" in question.lower() or "bag" in question.lower():
        return "One bag of up to 23 kg is included."
    return "There is no answer to that."


async def write_seat(booking: str, seat: str) -> str:
    """Write the seat into the booking."""
    await act("write_seat", booking=booking, seat=seat)
    return f"Booking {booking} now has seat {seat}."


faq_agent = Agent[None](
    name="FAQ agent",
    model=MODEL,
    handoff_description="Answers questions about luggage, seats and Wi-Fi.",
    instructions="You answer questions of passengers. Look the answer up with the tool.",
    tools=[look_up_faq],
)
seat_agent = Agent[None](
    name="Seat agent",
    model=MODEL,
    handoff_description="Changes the seat of a booking.",
    instructions="You change seats of passengers, with the tool. Hand other wishes back to triage.",
    tools=[change_seat],
)
triage_agent = Agent[None](
    name="Triage agent",
    model=MODEL,
    instructions="You are the triage agent of an airline. Hand over to the agent that can help.",
    handoffs=[faq_agent, seat_agent],
)
# `handoff()` because Restate's wrapper resolves agents eagerly, and these form a cycle.
faq_agent.handoffs.append(handoff(triage_agent))
seat_agent.handoffs.append(handoff(triage_agent))
AGENTS = {agent.name: agent for agent in (triage_agent, faq_agent, seat_agent)}

airline = restate.VirtualObject("AirlineAgent", invocation_retry_policy=retries())


@airline.handler()
async def message(ctx: restate.ObjectContext, request: CustomerMessage) -> str:
    """Answer a customer, starting with the agent that answered last, or with triage."""
    name = await ctx.get("agent", type_hint=str)
    agent = AGENTS.get(name or "", triage_agent)
    result = await DurableRunner.run(  # pyright: ignore[reportUnknownMemberType]
        agent, request.message, use_restate_session=True
    )
    ctx.set("agent", result.last_agent.name)
    if not isinstance(result.final_output, str):
        raise TerminalError("the agent gave no text")
    return result.final_output


SERVICES = (airline,)
