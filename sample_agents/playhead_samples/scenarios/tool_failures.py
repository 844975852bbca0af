"""Tools that fail."""

from __future__ import annotations

from playhead_samples.scenarios.expectations import (
    Acted,
    Answer,
    Asked,
    Fails,
    Noted,
    Status,
    Steps,
)
from playhead_samples.scenarios.outages import Timeouts
from playhead_samples.scenarios.requests import Send
from playhead_samples.scenarios.scenario import AtLeast, Scenario, ToolFault
from playhead_samples.scenarios.span_expectations import Attempts, ModelSpans, Ran
from playhead_samples.scenarios.waits import ended

__all__ = ["SCENARIOS"]

SCENARIOS = (
    Scenario(
        name="weather-api-down",
        title="A tool's API is down, then up",
        breaks="The weather API fails twice, inside a durable step.",
        restate="Retries the step after a pause that grows. The LLM call before it is replayed "
        "from the journal and not paid for again.",
        look="The bar of `Get weather` with two failed tries and the pauses between them; three "
        "attempts, yet two LLM calls.",
        tools=(
            ToolFault(
                tool="get_weather",
                do="raise",
                call=[1, 2],
                match="Denver",
                message="the weather station of Denver does not answer",
            ),
        ),
        actions=(Send("WeatherAgent/run", "What is the weather in Denver?"), *ended()),
        expect=(
            Status("succeeded"),
            Answer("Denver"),
            Acted("get_weather"),
            Asked(2),
            Steps("Model call", 2),
            Steps("Get weather"),
            Noted("the weather station of Denver does not answer"),
            Attempts(3),
            Ran("Get weather", 3),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="tool-refuses-for-good",
        title="A tool fails with a terminal error",
        breaks="The tool raises a terminal error that the agent does not catch.",
        restate="Fails the invocation at once with the tool's code and text; there is no retry.",
        look="One attempt, one LLM call, and the error 403 of the tool.",
        actions=(Send("OrderDesk/run", "Where is order A-666?"), *ended()),
        expect=(
            Status("failed"),
            Fails("sealed by a court"),
            Acted("query_orders", 0),
            Asked(1),
            Attempts(1),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="tool-retries-bounded",
        title="A tool stays down, and the model is told",
        breaks="The order system is down for as long as the step may be retried.",
        restate="Tries the step three times and then writes its failure into the journal. The "
        "tool catches it, and the model learns that the system is unavailable.",
        look="The step `Query orders` failed after three tries, yet the run succeeded.",
        tools=(ToolFault(tool="query_orders", do="raise", message="no route to the orders"),),
        actions=(Send("OrderDesk/run", "Where is order A-17?"), *ended()),
        expect=(
            Status("succeeded"),
            Answer("unavailable"),
            Acted("query_orders", 0),
            Ran("Query orders", 3),
            Steps("Query orders"),
            Asked(2),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="tool-asks-again",
        title="A tool sends the model back to think",
        breaks="The model asks for order 17, which is no order number.",
        restate="Nothing to retry: the refusal goes to the model, which asks for A-17.",
        look="Three LLM calls in one attempt; the tool's step stands after the second.",
        actions=(Send("OrderDesk/run", "Where is order 17?"), *ended()),
        expect=(
            Status("succeeded"),
            Answer("A-17 is on its way"),
            Acted("query_orders", 1, {"order": "A-17"}),
            Asked(3),
            Attempts(1),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="parallel-tools-one-fails",
        title="One of three parallel steps fails",
        breaks="Three steps run at once; the fraud check fails after the others have finished.",
        restate="Keeps the results that are in the journal and repeats the failed step alone.",
        look="Three bars side by side, of which one has a failed try.",
        tools=(
            ToolFault(tool="check_fraud", do="slow", call=1, seconds=1),
            ToolFault(tool="check_fraud", do="raise", call=1, message="no fraud data"),
        ),
        actions=(Send("ClaimAnalyst/run", "Assess a claim of 7000 USD."), *ended()),
        expect=(
            Status("succeeded"),
            Answer("Pay"),
            Acted("check_eligibility"),
            Acted("compare_rates"),
            Acted("check_fraud"),
            Ran("Check fraud", 2),
            Ran("Check eligibility", 1),
            Asked(2),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="tool-hits-abort-timeout",
        title="A tool hangs until Restate aborts the attempt",
        breaks="The tool does not come back the first time.",
        restate="After the inactivity time-out it asks the service to suspend, after the abort "
        "time-out it breaks the connection off and retries.",
        look="An attempt without an end of its own, and the error that names the time-out.",
        tools=(ToolFault(tool="get_weather", do="hang", call=1),),
        actions=(
            Timeouts("WeatherAgent", inactivity="1 s", abort="2 s"),
            Send("WeatherAgent/run", "What is the weather in Quito?"),
            *ended(),
        ),
        expect=(
            Status("succeeded"),
            Answer("Quito"),
            Acted("get_weather"),
            Noted("abort"),
            Asked(2),
            Attempts(AtLeast(2)),
            ModelSpans(),
        ),
    ),
)
