"""The LLM, or the way to it, fails."""

from __future__ import annotations

from playhead_samples.scenarios.expectations import (
    Acted,
    Answer,
    Asked,
    Fails,
    Noted,
    Status,
    Steps,
    Struck,
)
from playhead_samples.scenarios.outages import LiftFaults, Timeouts
from playhead_samples.scenarios.requests import Resume, Send
from playhead_samples.scenarios.scenario import IMPATIENT, AtLeast, ModelFault, Scenario
from playhead_samples.scenarios.span_expectations import Attempts, ModelSpans, Ran
from playhead_samples.scenarios.waits import Is, ended

__all__ = ["SCENARIOS"]

ASK = Send("WeatherAgent/run", "What is the weather in Berlin?")

SURVIVED = (Status("succeeded"), Answer("Berlin"), Acted("get_weather"), ModelSpans())
"""What must be true of every failure of the LLM that passes."""

SCENARIOS = (
    Scenario(
        name="llm-rate-limited",
        title="The LLM answers 429 twice",
        breaks="The provider refuses the first two requests with 429 and Retry-After.",
        restate="Retries the LLM step after a pause. Nothing before it is repeated.",
        look="The first `Model call`: two failed tries inside one bar, each with a `chat` span "
        "that says 429.",
        model=(ModelFault(do="rate_limit", agent="weather", times=2, seconds=1),),
        actions=(ASK, *ended()),
        expect=(
            *SURVIVED,
            Struck({"rate_limit": 2}),
            Asked(4),
            Attempts(3),
            Ran("Model call", 4),
            Steps("Model call", 2),
            Noted("429"),
        ),
    ),
    Scenario(
        name="llm-server-error",
        title="The LLM answers 500 at the second question",
        breaks="The provider fails after the tool has already acted.",
        restate="Replays the first LLM answer and the tool's result from the journal, and repeats "
        "the second LLM request alone: the tool does not act twice.",
        look="`Get weather` in grey in the second attempt: replayed, not run.",
        model=(ModelFault(do="server_error", agent="weather", call=2),),
        actions=(ASK, *ended()),
        expect=(
            *SURVIVED,
            Struck({"server_error": 1}),
            Asked(3),
            Attempts(2),
            Ran("Get weather", 1),
            Steps("Model call", 2),
        ),
    ),
    Scenario(
        name="llm-timeout",
        title="The LLM does not answer",
        breaks="The first request hangs until the client's time-out.",
        restate="Takes the time-out as a failed attempt and retries the step.",
        look="A `chat` span as long as the time-out, marked as failed, and the retry after it.",
        model=(ModelFault(do="hang", agent="weather", seconds=60),),
        actions=(ASK, *ended()),
        expect=(*SURVIVED, Struck({"hang": 1}), Asked(3), Attempts(2), Noted("timed out")),
    ),
    Scenario(
        name="llm-slower-than-patience",
        title="The LLM thinks longer than the inactivity time-out",
        breaks="Every answer takes a second; Restate waits only 0.3 s for a sign of life.",
        restate="Asks the service to suspend. The step that is under way may finish: its result is "
        "kept, and the next attempt replays it instead of asking the LLM again.",
        look="Several attempts, and each LLM call in one of them only.",
        model=(ModelFault(do="slow", agent="weather", times=2, seconds=1.0),),
        actions=(Timeouts("WeatherAgent", inactivity="300 ms"), ASK, *ended()),
        expect=(
            *SURVIVED,
            Struck({"slow": 2}),
            Asked(2),
            Attempts(AtLeast(2)),
            Ran("Model call", 2),
            Steps("Model call", 2),
        ),
    ),
    Scenario(
        name="llm-connection-reset",
        title="The connection to the LLM is reset",
        breaks="The peer resets the connection instead of answering.",
        restate="Retries the step on a new connection.",
        look="The failed try's error text: a connection error, not an answer of the provider.",
        model=(ModelFault(do="reset", agent="weather"),),
        actions=(ASK, *ended()),
        expect=(*SURVIVED, Struck({"reset": 1}), Asked(3), Attempts(2), Noted("Connection error")),
    ),
    Scenario(
        name="llm-malformed-answer",
        title="The LLM's answer is no JSON",
        breaks="The provider answers 200 with a body that ends in the middle.",
        restate="The client cannot read it, the step fails and is retried. The broken answer never "
        "gets into the journal.",
        look="The journal holds two good answers only; the third request is in the traces.",
        model=(ModelFault(do="malformed", agent="weather"),),
        actions=(ASK, *ended()),
        expect=(
            *SURVIVED,
            Struck({"malformed": 1}),
            Asked(3),
            Attempts(2),
            Steps("Model call", 2),
        ),
    ),
    Scenario(
        name="llm-stream-truncated",
        title="A streamed answer breaks off",
        breaks="Half of the events arrive, then the connection is gone.",
        restate="A streaming model call is one step: half an answer counts as none, and the step "
        "is retried.",
        look="`Model stream call`: one failed try, and no half answer in the journal.",
        model=(ModelFault(do="truncate", agent="storyteller", call=2),),
        actions=(Send("Storyteller/run", {"topic": "{key}", "about": "a fox"}), *ended()),
        expect=(
            Status("succeeded"),
            Answer("It was content."),
            Struck({"truncate": 1}),
            Acted("draw_setting"),
            Asked(3),
            Steps("Model stream call", 2),
            Attempts(2),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="llm-wrong-tool",
        title="The LLM calls a tool that does not exist",
        breaks="The model invents a tool name.",
        restate="Nothing to retry: the agent tells the model, which corrects itself. Each of the "
        "three requests is a step of its own.",
        look="Three LLM calls in one attempt; the second prompt holds the refusal.",
        model=(ModelFault(do="wrong_tool", agent="weather"),),
        actions=(ASK, *ended()),
        expect=(
            *SURVIVED,
            Struck({"wrong_tool": 1}),
            Asked(3),
            Steps("Model call", 3),
            Attempts(1),
        ),
    ),
    Scenario(
        name="llm-invalid-arguments",
        title="Invalid tool arguments, healed by the model",
        breaks="The model calls the tool with arguments against its schema.",
        restate="Nothing to retry: validation refuses the call, the model is told and calls again "
        "with good arguments. The tool acts once.",
        look="The first `Model call` asks for `get_weather` with bad arguments, and no tool step "
        "follows it.",
        model=(ModelFault(do="invalid_arguments", agent="weather"),),
        actions=(ASK, *ended()),
        expect=(
            *SURVIVED,
            Struck({"invalid_arguments": 1}),
            Asked(3),
            Steps("Model call", 3),
            Steps("Get weather", 1),
            Attempts(1),
        ),
    ),
    Scenario(
        name="llm-context-too-long",
        title="The conversation is longer than the LLM takes",
        breaks="The provider refuses with 400: the context is too long.",
        restate="The agent marks the refusal as terminal, so Restate fails the invocation at once "
        "instead of repeating a request that can never work.",
        look="A failed invocation with one attempt and one LLM call; the error names the cause.",
        model=(ModelFault(do="context_length", agent="weather", times=None),),
        actions=(ASK, *ended()),
        expect=(
            Status("failed"),
            Fails("maximum context length"),
            Struck({"context_length": 1}),
            Asked(1),
            Acted("get_weather", 0),
            Attempts(1),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="llm-retries-bounded",
        title="The LLM fails more often than the step may be retried",
        breaks="The provider answers 500 for good.",
        restate="The step may be tried three times; then its failure is written into the journal "
        "and ends the invocation. Nothing retries for ever.",
        look="One `Model call` that has failed, after three tries.",
        model=(ModelFault(do="server_error", agent="orders", times=None),),
        actions=(Send("OrderDesk/run", "Where is order A-17?"), *ended()),
        expect=(
            Status("failed"),
            Fails("500"),
            Struck({"server_error": 3}),
            Asked(3),
            Steps("Model call"),
            Acted("query_orders", 0),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="llm-outage-paused",
        title="An LLM outage past the retry limit, resumed by hand",
        breaks="The provider is down for longer than the service's retries last.",
        restate="Pauses the invocation with all it has done. When it is resumed, it goes on where "
        "it was: the tool's result comes from the journal.",
        look="The status `paused` and its reason; after resuming, the new attempts below the old.",
        model=(ModelFault(do="server_error", agent="weather", call=2, times=None),),
        actions=(ASK, Is("paused"), LiftFaults(), Resume(), *ended()),
        expect=(
            *SURVIVED,
            Struck({"server_error": 4}),
            Asked(6),
            Attempts(5),
            Ran("Get weather", 1),
            Noted("Paused"),
        ),
        needs=IMPATIENT,
    ),
    Scenario(
        name="agent-runs-away",
        title="A runaway agent, stopped by a usage limit",
        breaks="The model asks for one more search for ever.",
        restate="Nothing: the agent's own usage limit counts the requests of the whole run and "
        "ends it with a terminal error, so that Restate does not retry what cannot end.",
        look="Five LLM calls and five searches, then the failure that names the limit.",
        actions=(Send("Researcher/run", {"topic": "perpetual motion"}), *ended()),
        expect=(
            Status("failed"),
            Fails("request_limit"),
            Asked(5, "researcher"),
            Acted("search_library", 5),
            Attempts(1),
            ModelSpans(),
        ),
    ),
)
