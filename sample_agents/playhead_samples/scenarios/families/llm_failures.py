"""LLM failures."""

from __future__ import annotations

from playhead_samples.llm.faults import LlmFault
from playhead_samples.scenarios.actions import (
    RemoveFaults,
    Resume,
    Send,
    SetTimeouts,
    WaitForStatus,
    completed,
)
from playhead_samples.scenarios.expectations import (
    AnswerContains,
    AttemptSpans,
    ChatSpans,
    EventContains,
    FailureContains,
    InjectedLlmFaults,
    JournalSteps,
    LlmRequests,
    SideEffects,
    StatusIs,
    StepExecutions,
)
from playhead_samples.scenarios.scenario import FEW_RETRIES, AtLeast, Scenario

__all__ = ["SCENARIOS"]

ASK = Send("WeatherAgent/run", "What is the weather in Berlin?")

RECOVERED = (
    StatusIs("succeeded"),
    AnswerContains("Berlin"),
    SideEffects("get_weather"),
    ChatSpans(),
)
"""True after every LLM failure that a retry resolves."""

SCENARIOS = (
    Scenario(
        name="llm-rate-limited",
        title="The LLM answers 429 twice",
        failure="The provider rejects the first two requests with 429 and a Retry-After header.",
        behavior="Retries the LLM step after the requested delay. Earlier steps are not repeated.",
        look_at="The first `Model call`: two failed tries in one bar, each with a `chat` span "
        "that shows the 429.",
        llm_faults=(LlmFault(do="rate_limit", agent="weather", times=2, seconds=1),),
        actions=(ASK, *completed()),
        expectations=(
            *RECOVERED,
            InjectedLlmFaults({"rate_limit": 2}),
            LlmRequests(4),
            AttemptSpans(3),
            StepExecutions("Model call", 4),
            JournalSteps("Model call", 2),
            EventContains("429"),
        ),
    ),
    Scenario(
        name="llm-server-error",
        title="The LLM answers 500 to the second request",
        failure="The provider fails after the tool has completed.",
        behavior="Replays the first LLM answer and the tool's result from the journal and repeats "
        "only the second LLM request. The tool does not run twice.",
        look_at="`Get weather` in gray in the second attempt: replayed, not executed.",
        llm_faults=(LlmFault(do="server_error", agent="weather", call=2),),
        actions=(ASK, *completed()),
        expectations=(
            *RECOVERED,
            InjectedLlmFaults({"server_error": 1}),
            LlmRequests(3),
            AttemptSpans(2),
            StepExecutions("Get weather", 1),
            JournalSteps("Model call", 2),
        ),
    ),
    Scenario(
        name="llm-timeout",
        title="The LLM does not answer",
        failure="The first request hangs until the client times out.",
        behavior="Treats the timeout as a failed attempt and retries the step.",
        look_at="A failed `chat` span as long as the timeout, and the retry after it.",
        llm_faults=(LlmFault(do="hang", agent="weather", seconds=60),),
        actions=(ASK, *completed()),
        expectations=(
            *RECOVERED,
            InjectedLlmFaults({"hang": 1}),
            LlmRequests(3),
            AttemptSpans(2),
            EventContains("timed out"),
        ),
    ),
    Scenario(
        name="llm-slower-than-patience",
        title="The LLM takes longer than the inactivity timeout",
        failure="Every answer takes one second; Restate's inactivity timeout is 0.3 s.",
        behavior="Asks the service to suspend. The running step may complete: its result is "
        "stored, and the next attempt replays it instead of calling the LLM again.",
        look_at="Several attempts, with each LLM call in only one of them.",
        llm_faults=(LlmFault(do="slow", agent="weather", times=2, seconds=1.0),),
        actions=(SetTimeouts("WeatherAgent", inactivity="300 ms"), ASK, *completed()),
        expectations=(
            *RECOVERED,
            InjectedLlmFaults({"slow": 2}),
            LlmRequests(2),
            AttemptSpans(AtLeast(2)),
            StepExecutions("Model call", 2),
            JournalSteps("Model call", 2),
        ),
    ),
    Scenario(
        name="llm-connection-reset",
        title="The connection to the LLM is reset",
        failure="The provider resets the connection instead of answering.",
        behavior="Retries the step on a new connection.",
        look_at="The error of the failed try: a connection error, not an answer from the provider.",
        llm_faults=(LlmFault(do="reset", agent="weather"),),
        actions=(ASK, *completed()),
        expectations=(
            *RECOVERED,
            InjectedLlmFaults({"reset": 1}),
            LlmRequests(3),
            AttemptSpans(2),
            EventContains("Connection error"),
        ),
    ),
    Scenario(
        name="llm-malformed-answer",
        title="The LLM answers with invalid JSON",
        failure="The provider answers 200 with a truncated body.",
        behavior="Retries the step, which failed because the client could not parse the answer. "
        "The invalid answer is never written to the journal.",
        look_at="The journal contains only the two valid answers; the third request appears in the "
        "traces.",
        llm_faults=(LlmFault(do="malformed", agent="weather"),),
        actions=(ASK, *completed()),
        expectations=(
            *RECOVERED,
            InjectedLlmFaults({"malformed": 1}),
            LlmRequests(3),
            AttemptSpans(2),
            JournalSteps("Model call", 2),
        ),
    ),
    Scenario(
        name="llm-stream-truncated",
        title="A streamed answer is cut off",
        failure="The connection closes after half of the events.",
        behavior="Treats a streaming model call as one step: a partial answer does not count, and "
        "the step is retried.",
        look_at="`Model stream call`: one failed try, and no partial answer in the journal.",
        llm_faults=(LlmFault(do="truncate", agent="storyteller", call=2),),
        actions=(Send("Storyteller/run", {"topic": "{key}", "about": "a fox"}), *completed()),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("It was content."),
            InjectedLlmFaults({"truncate": 1}),
            SideEffects("draw_setting"),
            LlmRequests(3),
            JournalSteps("Model stream call", 2),
            AttemptSpans(2),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="llm-wrong-tool",
        title="The LLM calls a tool that does not exist",
        failure="The model makes up a tool name.",
        behavior="Does not retry: the agent reports the error to the model, which corrects "
        "itself. Each of the three requests is a separate step.",
        look_at="Three LLM calls in one attempt; the second prompt contains the error.",
        llm_faults=(LlmFault(do="wrong_tool", agent="weather"),),
        actions=(ASK, *completed()),
        expectations=(
            *RECOVERED,
            InjectedLlmFaults({"wrong_tool": 1}),
            LlmRequests(3),
            JournalSteps("Model call", 3),
            AttemptSpans(1),
        ),
    ),
    Scenario(
        name="llm-invalid-arguments",
        title="The LLM corrects invalid tool arguments",
        failure="The model calls the tool with arguments that violate its schema.",
        behavior="Does not retry: validation rejects the call, and the model repeats it with "
        "valid arguments. The tool runs once.",
        look_at="The first `Model call`, which requests `get_weather` with invalid arguments, and "
        "the missing tool step after it.",
        llm_faults=(LlmFault(do="invalid_arguments", agent="weather"),),
        actions=(ASK, *completed()),
        expectations=(
            *RECOVERED,
            InjectedLlmFaults({"invalid_arguments": 1}),
            LlmRequests(3),
            JournalSteps("Model call", 3),
            JournalSteps("Get weather", 1),
            AttemptSpans(1),
        ),
    ),
    Scenario(
        name="llm-context-too-long",
        title="The conversation exceeds the LLM's context length",
        failure="The provider rejects the request with 400: the context is too long.",
        behavior="Fails the invocation at once, because the agent marks the error as terminal. A "
        "request that can never succeed is not repeated.",
        look_at="A failed invocation with one attempt and one LLM call; the error names the cause.",
        llm_faults=(LlmFault(do="context_length", agent="weather", times=None),),
        actions=(ASK, *completed()),
        expectations=(
            StatusIs("failed"),
            FailureContains("maximum context length"),
            InjectedLlmFaults({"context_length": 1}),
            LlmRequests(1),
            SideEffects("get_weather", 0),
            AttemptSpans(1),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="llm-retries-bounded",
        title="The LLM fails more often than the step may be retried",
        failure="The provider answers 500 to every request.",
        behavior="Tries the step three times, then writes its failure to the journal, which ends "
        "the invocation. The number of retries is bounded.",
        look_at="One failed `Model call` after three tries.",
        llm_faults=(LlmFault(do="server_error", agent="orders", times=None),),
        actions=(Send("OrderDesk/run", "Where is order A-17?"), *completed()),
        expectations=(
            StatusIs("failed"),
            FailureContains("500"),
            InjectedLlmFaults({"server_error": 3}),
            LlmRequests(3),
            JournalSteps("Model call"),
            SideEffects("query_orders", 0),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="llm-outage-paused",
        title="An LLM outage exceeds the retry limit; the run is resumed by hand",
        failure="The provider is down for longer than the service retries.",
        behavior="Pauses the invocation and keeps its progress. After the resume it continues "
        "where it stopped: the tool's result comes from the journal.",
        look_at="The status `paused` and its reason; after the resume, the new attempts below the "
        "earlier ones.",
        llm_faults=(LlmFault(do="server_error", agent="weather", call=2, times=None),),
        actions=(ASK, WaitForStatus("paused"), RemoveFaults(), Resume(), *completed()),
        expectations=(
            *RECOVERED,
            InjectedLlmFaults({"server_error": 4}),
            LlmRequests(6),
            AttemptSpans(5),
            StepExecutions("Get weather", 1),
            EventContains("Paused"),
        ),
        stack=FEW_RETRIES,
    ),
    Scenario(
        name="agent-runs-away",
        title="A runaway agent is stopped by a usage limit",
        failure="The model requests another search after every answer.",
        behavior="Does not intervene: the agent's usage limit counts the requests of the whole run "
        "and ends it with a terminal error, which Restate does not retry.",
        look_at="Five LLM calls and five searches, then the failure that names the limit.",
        actions=(Send("Researcher/run", {"topic": "perpetual motion"}), *completed()),
        expectations=(
            StatusIs("failed"),
            FailureContains("request_limit"),
            LlmRequests(5, "researcher"),
            SideEffects("search_library", 5),
            AttemptSpans(1),
            ChatSpans(),
        ),
    ),
)
