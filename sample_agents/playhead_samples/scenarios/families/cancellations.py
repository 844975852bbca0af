"""Compensation, cancellation and interruption."""

from __future__ import annotations

from playhead_samples.llm.faults import LlmFault
from playhead_samples.scenarios.actions import (
    Cancel,
    FindChild,
    Kill,
    KillAgents,
    Send,
    StartAgents,
    WaitForLlmRequest,
    WaitForSpans,
    WaitForStep,
    completed,
)
from playhead_samples.scenarios.expectations import (
    AnswerContains,
    AttemptSpans,
    ChatSpans,
    FailureContains,
    LlmRequests,
    SideEffectOrder,
    SideEffects,
    StatusIs,
)
from playhead_samples.scenarios.scenario import AtLeast, Scenario
from playhead_samples.tool_faults import ToolFault

__all__ = ["SCENARIOS"]

TRIP = Send("TravelAgent/run", "A trip to Lisbon, please.")
NO_CAR = ToolFault(tool="book_car", do="terminal", message="no car is left")

SCENARIOS = (
    Scenario(
        name="saga-rollback",
        title="A booking fails and the earlier bookings are undone",
        failure="The hotel and the flight are booked, then no car is available.",
        behavior="Delivers the terminal error to the handler. Its compensations are durable "
        "steps: they run in reverse order, each until it succeeds.",
        look_at="The bookings, the failed one, then the cancellations in reverse order.",
        tool_faults=(NO_CAR,),
        actions=(TRIP, *completed()),
        expectations=(
            StatusIs("failed"),
            FailureContains("the trip was not booked: no car is left"),
            SideEffectOrder(
                (
                    "book_hotel",
                    "book_flight",
                    "cancel_car",
                    "cancel_flight",
                    "cancel_hotel",
                )
            ),
            SideEffects("book_car", 0),
            LlmRequests(3),
            AttemptSpans(1),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="crash-in-rollback",
        title="Crash (kill -9) during a rollback",
        failure="The process dies between two compensations.",
        behavior="Replays the failure and continues the rollback where it stopped. No "
        "compensation is skipped or repeated.",
        look_at="The second attempt, which starts in the middle of the cancellations.",
        tool_faults=(NO_CAR, ToolFault(tool="cancel_flight", do="hang", call=1)),
        actions=(
            TRIP,
            WaitForStep("Cancel flight"),
            WaitForSpans(3),
            KillAgents(),
            StartAgents(),
            *completed(),
        ),
        expectations=(
            StatusIs("failed"),
            FailureContains("no car is left"),
            SideEffectOrder(
                (
                    "book_hotel",
                    "book_flight",
                    "cancel_car",
                    "cancel_flight",
                    "cancel_hotel",
                )
            ),
            LlmRequests(3),
            AttemptSpans(AtLeast(2)),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="cancel-with-rollback",
        title="A cancelled run cleans up",
        failure="The trip is cancelled after the hotel and the flight are booked.",
        behavior="Delivers the cancellation as an error at the point where the agent waits. The "
        "compensations still run, then the invocation ends as cancelled.",
        look_at="The cancel signal in the journal and the steps after it.",
        llm_faults=(LlmFault(do="hang", agent="travel", call=3, seconds=60),),
        actions=(TRIP, WaitForLlmRequest(3), Cancel(), *completed()),
        expectations=(
            StatusIs("failed"),
            FailureContains("ancel"),
            SideEffectOrder(("book_hotel", "book_flight", "cancel_flight", "cancel_hotel")),
            SideEffects("book_car", 0),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="child-agent-killed",
        title="A remote agent is killed",
        failure="The motor desk's invocation is killed during its LLM call.",
        behavior="Fails the caller's call with a terminal error, so the caller fails as well. The "
        "work of the health desk is not undone.",
        look_at="The invocation tree: the claims desk, one child that succeeded and one that was "
        "killed.",
        llm_faults=(LlmFault(do="hang", agent="motor_desk", seconds=60),),
        actions=(
            Send(
                "ClaimsDesk/run",
                "Collision: my car needs 4000 USD of repairs and I had surgery for 9000 USD.",
            ),
            WaitForLlmRequest(1, "motor_desk"),
            FindChild("MotorDesk", "motor"),
            Kill("motor"),
            *completed("motor", "run"),
        ),
        expectations=(
            StatusIs("failed", "motor"),
            FailureContains("killed", "motor"),
            StatusIs("failed"),
            FailureContains("killed"),
            SideEffects("sign_opinion", 1, {"by": "health"}),
            SideEffects("sign_opinion", 0, {"by": "motor"}),
            LlmRequests(1, "health_desk"),
            LlmRequests(1, "motor_desk"),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="child-agent-crashes",
        title="A remote agent's process crashes",
        failure="The process dies just before the motor desk signs its opinion.",
        behavior="Retries only the child. The caller keeps waiting for its result.",
        look_at="The invocation tree: the child has two attempts, and its result appears once in "
        "the caller's journal.",
        tool_faults=(ToolFault(tool="sign_opinion", do="hang", match="motor", call=1),),
        actions=(
            Send("ClaimsDesk/run", "Collision: my car needs 4000 USD of repairs."),
            FindChild("MotorDesk", "motor"),
            WaitForSpans(2),
            KillAgents(),
            StartAgents(),
            *completed("motor", "run"),
        ),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Signed: motor"),
            SideEffects("sign_opinion", 1, {"by": "motor"}),
            LlmRequests(1, "motor_desk"),
            LlmRequests(2, "claims_desk"),
            AttemptSpans(AtLeast(2), "motor"),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="race-loser-cancelled",
        title="Two agents race and the slower one is cancelled",
        failure="The thorough agent's LLM is slow.",
        behavior="Returns the first answer. The other invocation is cancelled and does not finish.",
        look_at="Two children under the race: one succeeded, one was cancelled.",
        llm_faults=(LlmFault(do="hang", agent="thorough", seconds=60),),
        actions=(
            Send("Race/run", {"question": "How do I learn to sail?"}),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Start small"),
            SideEffects("finish", 1, {"runner": "quick"}),
            SideEffects("finish", 0, {"runner": "thorough"}),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="interrupted-agent",
        title="A new message interrupts the current run",
        failure="The user sends a new request while the agent is working on the first one.",
        behavior="Cancels the running task, which cleans up, and starts a task with both requests.",
        look_at="The cancelled first task with its cleanup step, and the second task next to it.",
        llm_faults=(LlmFault(do="hang", agent="coder", seconds=60),),
        actions=(
            Send("CodingAgent/{key}/message", "Write a todo list.", "first"),
            FindChild("CodingTask", "task", of="first"),
            WaitForLlmRequest(1, "coder"),
            Send("CodingAgent/{key}/message", "In Rust, please."),
            *completed("task", "run"),
            FindChild("CodingTask", "second task"),
            *completed("second task"),
        ),
        expectations=(
            StatusIs("failed", "task"),
            StatusIs("succeeded"),
            StatusIs("succeeded", "second task"),
            SideEffects("remove_workspace", 1, {"owner": "{key}"}),
            LlmRequests(4, "coder"),
            ChatSpans(),
        ),
    ),
)
