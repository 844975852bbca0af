"""What is undone, given up, or overtaken."""

from __future__ import annotations

from playhead_samples.scenarios.expectations import (
    Acted,
    ActedInOrder,
    Answer,
    Asked,
    Fails,
    Status,
)
from playhead_samples.scenarios.outages import CrashAgents, StartAgents
from playhead_samples.scenarios.requests import Cancel, Child, Kill, Send
from playhead_samples.scenarios.scenario import AtLeast, ModelFault, Scenario, ToolFault
from playhead_samples.scenarios.span_expectations import Attempts, ModelSpans
from playhead_samples.scenarios.waits import Asked as UntilAsked
from playhead_samples.scenarios.waits import Reached, Recorded, ended

__all__ = ["SCENARIOS"]

TRIP = Send("TravelAgent/run", "A trip to Lisbon, please.")
NO_CAR = ToolFault(tool="book_car", do="terminal", message="no car is left")

SCENARIOS = (
    Scenario(
        name="saga-rollback",
        title="A booking fails, and the others are undone",
        breaks="Hotel and flight are booked when the car turns out to be gone.",
        restate="The terminal error reaches the handler, whose compensations are durable steps: "
        "they run in reverse order, each until it has succeeded.",
        look="Bookings, the failed one, then the cancellations in reverse.",
        tools=(NO_CAR,),
        actions=(TRIP, *ended()),
        expect=(
            Status("failed"),
            Fails("the trip was not booked: no car is left"),
            ActedInOrder(
                (
                    "book_hotel",
                    "book_flight",
                    "cancel_car",
                    "cancel_flight",
                    "cancel_hotel",
                )
            ),
            Acted("book_car", 0),
            Asked(3),
            Attempts(1),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="crash-in-rollback",
        title="kill -9 in the middle of a rollback",
        breaks="The process dies between two compensations.",
        restate="Replays the failure and goes on with the rollback where it was; no compensation "
        "is left out or repeated.",
        look="The second attempt begins among the cancellations.",
        tools=(NO_CAR, ToolFault(tool="cancel_flight", do="hang", call=1)),
        actions=(
            TRIP,
            Reached("Cancel flight"),
            Recorded(3),
            CrashAgents(),
            StartAgents(),
            *ended(),
        ),
        expect=(
            Status("failed"),
            Fails("no car is left"),
            ActedInOrder(
                (
                    "book_hotel",
                    "book_flight",
                    "cancel_car",
                    "cancel_flight",
                    "cancel_hotel",
                )
            ),
            Asked(3),
            Attempts(AtLeast(2)),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="cancel-with-rollback",
        title="A run is cancelled and cleans up after itself",
        breaks="Somebody cancels the trip after the hotel and the flight were booked.",
        restate="Delivers the cancellation where the agent waits, as an error it can act on: the "
        "compensations still run, then the invocation ends as cancelled.",
        look="The cancellation signal in the journal and the steps that follow it.",
        model=(ModelFault(do="hang", agent="travel", call=3, seconds=60),),
        actions=(TRIP, UntilAsked(3), Cancel(), *ended()),
        expect=(
            Status("failed"),
            Fails("ancel"),
            ActedInOrder(("book_hotel", "book_flight", "cancel_flight", "cancel_hotel")),
            Acted("book_car", 0),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="child-agent-killed",
        title="A remote agent is killed",
        breaks="The motor desk's invocation is killed while its LLM is thinking.",
        restate="Tells the caller: its call fails with a terminal error, and so does the run. What "
        "the health desk did stays done.",
        look="The tree: the desk, one child that succeeded, one that was killed.",
        model=(ModelFault(do="hang", agent="motor_desk", seconds=60),),
        actions=(
            Send(
                "ClaimsDesk/run",
                "Collision: my car needs 4000 USD of repairs and I had surgery for 9000 USD.",
            ),
            UntilAsked(1, "motor_desk"),
            Child("MotorDesk", "motor"),
            Kill("motor"),
            *ended("motor", "run"),
        ),
        expect=(
            Status("failed", "motor"),
            Fails("killed", "motor"),
            Status("failed"),
            Fails("killed"),
            Acted("sign_opinion", 1, {"by": "health"}),
            Acted("sign_opinion", 0, {"by": "motor"}),
            Asked(1, "health_desk"),
            Asked(1, "motor_desk"),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="child-agent-crashes",
        title="A remote agent's process dies",
        breaks="The process dies just before the motor desk signs.",
        restate="Retries the child alone; the caller waits for its result as if nothing happened.",
        look="The tree: the child has two attempts, its answer is in the caller's journal once.",
        tools=(ToolFault(tool="sign_opinion", do="hang", match="motor", call=1),),
        actions=(
            Send("ClaimsDesk/run", "Collision: my car needs 4000 USD of repairs."),
            Child("MotorDesk", "motor"),
            Recorded(2),
            CrashAgents(),
            StartAgents(),
            *ended("motor", "run"),
        ),
        expect=(
            Status("succeeded"),
            Answer("Signed: motor"),
            Acted("sign_opinion", 1, {"by": "motor"}),
            Asked(1, "motor_desk"),
            Asked(2, "claims_desk"),
            Attempts(AtLeast(2), "motor"),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="race-loser-cancelled",
        title="Two agents race, and the slower one is cancelled",
        breaks="The thorough agent's LLM is slow.",
        restate="The first answer wins; the other invocation is cancelled and does not finish.",
        look="One child that succeeded and one that was cancelled, under the race.",
        model=(ModelFault(do="hang", agent="thorough", seconds=60),),
        actions=(
            Send("Race/run", {"question": "How do I learn to sail?"}),
            *ended(),
        ),
        expect=(
            Status("succeeded"),
            Answer("Start small"),
            Acted("finish", 1, {"runner": "quick"}),
            Acted("finish", 0, {"runner": "thorough"}),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="interrupted-agent",
        title="A new message interrupts the run in progress",
        breaks="The user changes their mind while the agent works on the first wish.",
        restate="Cancels the running task, which cleans up, and starts one that knows both wishes.",
        look="The first task cancelled, with its clean-up step; the second one beside it.",
        model=(ModelFault(do="hang", agent="coder", seconds=60),),
        actions=(
            Send("CodingAgent/{key}/message", "Write a todo list.", "first"),
            Child("CodingTask", "task", of="first"),
            UntilAsked(1, "coder"),
            Send("CodingAgent/{key}/message", "In Rust, please."),
            *ended("task", "run"),
            Child("CodingTask", "second task"),
            *ended("second task"),
        ),
        expect=(
            Status("failed", "task"),
            Status("succeeded"),
            Status("succeeded", "second task"),
            Acted("remove_workspace", 1, {"owner": "{key}"}),
            Asked(4, "coder"),
            ModelSpans(),
        ),
    ),
)
