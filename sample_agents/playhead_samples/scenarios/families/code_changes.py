"""Code changes and network failures."""

from __future__ import annotations

from playhead_samples.llm.faults import LlmFault
from playhead_samples.scenarios.actions import (
    AnswerApproval,
    ChangeCode,
    CutNetwork,
    Deploy,
    Resume,
    Send,
    SetTimeouts,
    SlowNetwork,
    StartAgents,
    StopAgents,
    WaitForEvent,
    WaitForLlmRequest,
    WaitForStatus,
    completed,
)
from playhead_samples.scenarios.expectations import (
    AnswerContains,
    AttemptSpans,
    ChatSpans,
    EventContains,
    JournalSteps,
    LlmRequests,
    SideEffects,
    StatusIs,
    StepExecutions,
)
from playhead_samples.scenarios.scenario import FEW_RETRIES, AtLeast, Scenario

__all__ = ["SCENARIOS"]

ORDER = Send("OrderProcess/run", {"order": "{key}"})
PAY = AnswerApproval("paid", request="ask_payment")
CHANGED = ChangeCode({"PLAYHEAD_CODE": "changed"})

REPLACED = (
    SetTimeouts("OrderProcess", inactivity="200 ms"),
    ORDER,
    WaitForStatus("suspended"),
    SetTimeouts("OrderProcess", inactivity="60 s"),
    StopAgents(),
    CHANGED,
    StartAgents(),
    PAY,
)
"""The code changes while the order waits for its payment."""

PROCESSED = (
    StatusIs("succeeded"),
    AnswerContains("is paid"),
    EventContains("RT0016"),
    SideEffects("reserve_stock", 1, {"order": "{key}"}),
    SideEffects("ask_payment", 1, {"order": "{key}"}),
    SideEffects("ship", 1, {"order": "{key}"}),
    SideEffects("check_order_fraud", 0),
    JournalSteps("Check fraud", 0),
    LlmRequests(1, "clerk"),
)
"""Each step ran once, and no step of the changed code."""

SCENARIOS = (
    Scenario(
        name="changed-code-put-back",
        title="Code changes during a run and is rolled back",
        failure="While the order waits for its payment, a version with a new first step replaces "
        "the running one.",
        behavior="Compares the journal with the new code, stops with error RT0016, and retries; "
        "no step of the new code takes effect. After the rollback the invocation continues.",
        look_at="The event RT0016 at the step that differs. `playhead replay` shows the "
        "difference.",
        actions=(
            *REPLACED,
            WaitForEvent("RT0016"),
            StopAgents(),
            ChangeCode({}, "restore the original code"),
            StartAgents(),
            *completed(),
        ),
        expectations=(*PROCESSED, AttemptSpans(AtLeast(3)), ChatSpans()),
    ),
    Scenario(
        name="changed-code-new-deployment",
        title="Non-deterministic code is fixed by a new deployment",
        failure="The same as in `changed-code-put-back`, until all retries are used up.",
        behavior="Pauses the invocation. The fixed code is registered at a new address, and the "
        "invocation is resumed there.",
        look_at="The status `paused` with RT0016; after the resume, a different deployment in the "
        "details.",
        actions=(
            *REPLACED,
            WaitForStatus("paused"),
            Deploy(),
            Resume(latest=True),
            *completed(),
        ),
        expectations=(*PROCESSED, EventContains("Paused"), AttemptSpans(AtLeast(5)), ChatSpans()),
        stack=FEW_RETRIES,
    ),
    Scenario(
        name="slow-network",
        title="A slow network between server and agents",
        failure="Each chunk of data takes an extra 100 ms in both directions.",
        behavior="Does not retry: the run takes one attempt and executes each step once, only "
        "more slowly.",
        look_at="Gaps between the steps that neither the LLM nor the tools explain.",
        actions=(
            SlowNetwork(0.1),
            Send("WeatherAgent/run", "What is the weather in Perth?"),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Perth"),
            SideEffects("get_weather"),
            LlmRequests(2),
            AttemptSpans(1),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="connection-cut",
        title="The connection breaks during a run",
        failure="The connection between server and agents is reset during an LLM call; both "
        "processes stay alive.",
        behavior="Starts a new attempt on a new connection and replays the completed steps.",
        look_at="Two attempts by the same process, with a connection error between them.",
        llm_faults=(LlmFault(do="hang", agent="weather", call=2, seconds=60),),
        actions=(
            SlowNetwork(0.01),
            Send("WeatherAgent/run", "What is the weather in Perth?"),
            WaitForLlmRequest(2),
            CutNetwork(),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Perth"),
            SideEffects("get_weather"),
            StepExecutions("Get weather", 1),
            LlmRequests(3),
            AttemptSpans(2),
            ChatSpans(),
        ),
    ),
)
