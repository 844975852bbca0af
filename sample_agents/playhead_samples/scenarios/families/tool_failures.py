"""Tool failures."""

from __future__ import annotations

from playhead_samples.scenarios.actions import Send, SetTimeouts, completed
from playhead_samples.scenarios.expectations import (
    AnswerContains,
    AttemptSpans,
    ChatSpans,
    EventContains,
    FailureContains,
    JournalSteps,
    LlmRequests,
    SideEffects,
    StatusIs,
    StepExecutions,
)
from playhead_samples.scenarios.scenario import AtLeast, Scenario
from playhead_samples.tool_faults import ToolFault

__all__ = ["SCENARIOS"]

SCENARIOS = (
    Scenario(
        name="weather-api-down",
        title="A tool's API fails twice, then works",
        failure="The weather API fails twice inside a durable step.",
        behavior="Retries the step with a growing delay. The LLM call before it is replayed from "
        "the journal and costs no tokens.",
        look_at="The bar of `Get weather` with two failed tries and the delays between them: "
        "three attempts, but only two LLM calls.",
        tool_faults=(
            ToolFault(
                tool="get_weather",
                do="raise",
                call=[1, 2],
                match="Denver",
                message="the weather station in Denver does not answer",
            ),
        ),
        actions=(Send("WeatherAgent/run", "What is the weather in Denver?"), *completed()),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Denver"),
            SideEffects("get_weather"),
            LlmRequests(2),
            JournalSteps("Model call", 2),
            JournalSteps("Get weather"),
            EventContains("the weather station in Denver does not answer"),
            AttemptSpans(3),
            StepExecutions("Get weather", 3),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="tool-refuses-for-good",
        title="A tool fails with a terminal error",
        failure="The tool raises a terminal error that the agent does not catch.",
        behavior="Fails the invocation at once with the tool's status code and message, without a "
        "retry.",
        look_at="One attempt, one LLM call, and the tool's error 403.",
        actions=(Send("OrderDesk/run", "Where is order A-666?"), *completed()),
        expectations=(
            StatusIs("failed"),
            FailureContains("sealed by a court"),
            SideEffects("query_orders", 0),
            LlmRequests(1),
            AttemptSpans(1),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="tool-retries-bounded",
        title="A tool stays down and its failure is reported to the model",
        failure="The order system is down for longer than the step is retried.",
        behavior="Tries the step three times, then writes its failure to the journal. The tool "
        "catches it and reports to the model that the system is unavailable.",
        look_at="The step `Query orders`, which failed after three tries, in a run that succeeded.",
        tool_faults=(ToolFault(tool="query_orders", do="raise", message="no route to the orders"),),
        actions=(Send("OrderDesk/run", "Where is order A-17?"), *completed()),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("unavailable"),
            SideEffects("query_orders", 0),
            StepExecutions("Query orders", 3),
            JournalSteps("Query orders"),
            LlmRequests(2),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="tool-asks-again",
        title="A tool asks the model to correct its arguments",
        failure="The model asks for order 17, which is not a valid order number.",
        behavior="Does not retry: the error is returned to the model, which then asks for A-17.",
        look_at="Three LLM calls in one attempt; the tool's step follows the second one.",
        actions=(Send("OrderDesk/run", "Where is order 17?"), *completed()),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("A-17 is on its way"),
            SideEffects("query_orders", 1, {"order": "A-17"}),
            LlmRequests(3),
            AttemptSpans(1),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="parallel-tools-one-fails",
        title="One of three parallel steps fails",
        failure="Three steps run in parallel; the fraud check fails after the other two have "
        "completed.",
        behavior="Keeps the results that are in the journal and repeats only the failed step.",
        look_at="Three parallel bars, one of them with a failed try.",
        tool_faults=(
            ToolFault(tool="check_fraud", do="slow", call=1, seconds=1),
            ToolFault(tool="check_fraud", do="raise", call=1, message="no fraud data"),
        ),
        actions=(Send("ClaimAnalyst/run", "Assess a claim of 7000 USD."), *completed()),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Pay"),
            SideEffects("check_eligibility"),
            SideEffects("compare_rates"),
            SideEffects("check_fraud"),
            StepExecutions("Check fraud", 2),
            StepExecutions("Check eligibility", 1),
            LlmRequests(2),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="tool-hits-abort-timeout",
        title="A tool hangs until Restate aborts the attempt",
        failure="The tool does not return the first time.",
        behavior="Asks the service to suspend after the inactivity timeout, closes the connection "
        "after the abort timeout, and retries.",
        look_at="An attempt that does not end by itself, and the error that names the timeout.",
        tool_faults=(ToolFault(tool="get_weather", do="hang", call=1),),
        actions=(
            SetTimeouts("WeatherAgent", inactivity="1 s", abort="2 s"),
            Send("WeatherAgent/run", "What is the weather in Quito?"),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Quito"),
            SideEffects("get_weather"),
            EventContains("abort"),
            LlmRequests(2),
            AttemptSpans(AtLeast(2)),
            ChatSpans(),
        ),
    ),
)
