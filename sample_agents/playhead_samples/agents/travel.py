"""Travel booking with compensation: hotel, flight and car; bookings are undone in reverse order.

Shows: a saga. A terminal error of a booking, or a cancellation of the invocation, runs the
compensations as durable steps. To see it, inject a `terminal` fault into `book_car`.

    curl localhost:8080/TravelAgent/run --json '{"message": "A trip to Lisbon, please."}'
"""

from __future__ import annotations

from dataclasses import dataclass, field

import restate
from pydantic import BaseModel
from pydantic_ai import Agent, RunContext
from restate import TerminalError
from restate.ext.pydantic import RestateAgent, restate_context

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries


class TripRequest(BaseModel):
    """A trip as free text."""

    message: str


@dataclass
class Trip:
    """The bookings to undo when the trip fails, in the order of booking."""

    bookings: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Kind (`hotel`, `flight`, `car`) and booking number."""


travel_agent = Agent(
    agent_model(),
    name="travel",
    deps_type=Trip,
    system_prompt="You are a travel agent. Book a hotel, then a flight, then a car, one at a "
    "time, with the tools. Then confirm the trip.",
)


async def reserve(kind: str, booking: str, city: str) -> str:
    """Book with the supplier."""
    await act(f"book_{kind}", booking=booking, city=city)
    return f"{kind} in {city} is booked"


async def undo(kind: str, booking: str) -> None:
    """Cancel with the supplier; has no effect on a booking that was never made."""
    await act(f"cancel_{kind}", booking=booking)


async def book(trip: Trip, kind: str, city: str) -> str:
    """Register the compensation, then book."""
    ctx = restate_context()
    booking = str(ctx.uuid())
    # Registered first: the booking may succeed at the supplier although its response is lost.
    trip.bookings.append((kind, booking))
    return await ctx.run_typed(f"Book {kind}", reserve, kind=kind, booking=booking, city=city)


@travel_agent.tool
async def book_hotel(run: RunContext[Trip], city: str) -> str:
    """Book a hotel in a city."""
    return await book(run.deps, "hotel", city)


@travel_agent.tool
async def book_flight(run: RunContext[Trip], city: str) -> str:
    """Book a flight to a city."""
    return await book(run.deps, "flight", city)


@travel_agent.tool
async def book_car(run: RunContext[Trip], city: str) -> str:
    """Book a car in a city."""
    return await book(run.deps, "car", city)


durable_agent = RestateAgent(travel_agent)
service = restate.Service("TravelAgent", invocation_retry_policy=retries())


@service.handler()
async def run(ctx: restate.Context, request: TripRequest) -> str:
    """Book the whole trip, or undo every booking."""
    trip = Trip()
    try:
        result = await durable_agent.run(request.message, deps=trip)
    except TerminalError as error:
        for kind, booking in reversed(trip.bookings):
            await ctx.run_typed(f"Cancel {kind}", undo, kind=kind, booking=booking)
        raise TerminalError(
            f"the trip was not booked: {error.message}", status_code=error.status_code
        ) from error
    return result.output


SERVICES = (service,)
