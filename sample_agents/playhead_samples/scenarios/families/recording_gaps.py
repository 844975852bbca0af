"""Gaps in the recording and wrong clocks."""

from __future__ import annotations

from playhead_samples.llm.faults import LlmFault
from playhead_samples.scenarios.actions import (
    Idle,
    KillRecorder,
    KillServer,
    Send,
    StartRecorder,
    StartServer,
    WaitForAttempts,
    WaitForLlmRequest,
    completed,
)
from playhead_samples.scenarios.expectations import (
    AnswerContains,
    AttemptSpans,
    ChatSpans,
    DoctorFinds,
    LlmRequests,
    SideEffects,
    StatusIs,
)
from playhead_samples.scenarios.scenario import (
    CLOCK_AHEAD,
    CLOCK_BEHIND,
    LATE_SERVER_SPANS,
    NO_BRIDGE,
    NO_BRIDGE_IN_TRACE,
    RECORDER_AWAY,
    WRONG_ADDRESS,
    Scenario,
)
from playhead_samples.tool_faults import ToolFault

__all__ = ["SCENARIOS"]

ASK = Send("WeatherAgent/run", "What is the weather in Lima?")
FAILS_TWICE = (
    ToolFault(tool="get_weather", do="raise", call=[1, 2], message="no weather station"),
)
THREE_ATTEMPTS = (
    StatusIs("succeeded"),
    AnswerContains("Lima"),
    SideEffects("get_weather"),
    LlmRequests(2),
)
KEEP_ALIVE_SECONDS = 5.0
"""Time after which many HTTP servers close an idle connection."""

SCENARIOS = (
    Scenario(
        name="recorder-killed",
        title="Crash (kill -9) of the recorder during a run",
        failure="The recorder dies during the first LLM call and is started again after the "
        "tool's first two tries.",
        behavior="Runs the agent in the same way: it does not depend on the recorder.",
        look_at="The number of attempts: exact, because later attempts name their number; `≥ n` "
        "otherwise. LLM calls and tokens are complete, because the journal contains the answers.",
        tool_faults=(ToolFault(tool="get_weather", do="raise", call=[1, 2, 3]),),
        llm_faults=(LlmFault(do="slow", agent="weather", seconds=1),),
        actions=(
            ASK,
            WaitForLlmRequest(1),
            KillRecorder(),
            WaitForAttempts(2),
            StartRecorder(),
            *completed(),
        ),
        expectations=(*THREE_ATTEMPTS, DoctorFinds()),
        stack=RECORDER_AWAY,
    ),
    Scenario(
        name="server-crash-before-export",
        title="Crash (kill -9) of restate-server before it has sent its spans",
        failure="The server dies after two failed attempts, whose spans it has not sent yet.",
        behavior="Continues the invocation after the restart. The spans that were in its memory "
        "are lost.",
        look_at="The number of attempts: `≥ n` unless other sources show all of them.",
        tool_faults=FAILS_TWICE,
        actions=(ASK, WaitForAttempts(2), KillServer(), StartServer(), *completed()),
        expectations=(*THREE_ATTEMPTS, DoctorFinds("attempt-spans-lost", "spans-late")),
        stack=LATE_SERVER_SPANS,
    ),
    Scenario(
        name="idle-between-requests",
        title="Idle connections between requests",
        failure="Nothing is sent for as long as HTTP servers keep an idle connection open, three "
        "times in a row.",
        behavior="Sends the spans of the next request over the same connection. If the receiver "
        "closes it at this moment, Restate does not send them again.",
        look_at="Every invocation has its attempt.",
        actions=(
            ASK,
            *completed(),
            *(
                action
                for number in (1, 2, 3)
                for action in (
                    Idle(KEEP_ALIVE_SECONDS - 0.35 + 0.05 * number),
                    Send("WeatherAgent/run", "What is the weather in Oslo?", f"after {number}"),
                    *completed(f"after {number}"),
                )
            ),
        ),
        expectations=(
            StatusIs("succeeded"),
            SideEffects("get_weather", 4),
            LlmRequests(8),
            AttemptSpans(1),
            *(AttemptSpans(1, f"after {number}") for number in (1, 2, 3)),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="recorder-at-wrong-address",
        title="The recorder looks for the server at a wrong address",
        failure="The recorder receives spans, but copies no journals.",
        behavior="Runs the agent in the same way.",
        look_at="The note in the list and in every command: the recorder copies nothing.",
        tool_faults=FAILS_TWICE,
        actions=(ASK, *completed()),
        expectations=(
            *THREE_ATTEMPTS,
            AttemptSpans(3),
            ChatSpans(),
            DoctorFinds("recorder-copies-nothing"),
        ),
        stack=WRONG_ADDRESS,
    ),
    Scenario(
        name="agents-clock-ahead",
        title="The agents' clock is fast",
        failure="The clock of the agents' machine is five seconds ahead of the server's.",
        behavior="Runs the agent in the same way: the server takes all times from its own clock.",
        look_at="The timeline, in which the agents' spans are moved onto the server's clock.",
        tool_faults=FAILS_TWICE,
        actions=(ASK, *completed()),
        expectations=(*THREE_ATTEMPTS, DoctorFinds("agent-clock-ahead")),
        stack=CLOCK_AHEAD,
    ),
    Scenario(
        name="agents-clock-behind",
        title="The agents' clock is slow",
        failure="The clock of the agents' machine is five seconds behind the server's.",
        behavior="Runs the agent in the same way: the server takes all times from its own clock.",
        look_at="The timeline, in which the agents' spans are moved onto the server's clock.",
        tool_faults=FAILS_TWICE,
        actions=(ASK, *completed()),
        expectations=(*THREE_ATTEMPTS, DoctorFinds("agent-clock-behind")),
        stack=CLOCK_BEHIND,
    ),
    Scenario(
        name="agents-without-bridge",
        title="Agents without the tracing bridge",
        failure="The service is not wrapped: Pydantic AI's own instrumentation begins a new trace "
        "at each attempt and traces replayed calls again.",
        behavior="Runs the agent in the same way.",
        look_at="LLM calls and tokens, which are counted in the journal.",
        tool_faults=FAILS_TWICE,
        actions=(ASK, *completed()),
        expectations=(
            *THREE_ATTEMPTS,
            AttemptSpans(3),
            DoctorFinds("agent-spans-missing", "agents-without-bridge"),
        ),
        stack=NO_BRIDGE,
    ),
    Scenario(
        name="agents-without-bridge-in-trace",
        title="Agents without the tracing bridge, in the server's trace",
        failure="The service only continues the server's trace, so the spans of replayed calls "
        "belong to the invocation.",
        behavior="Runs the agent in the same way.",
        look_at="LLM calls: the repeated spans are marked and not counted.",
        tool_faults=FAILS_TWICE,
        actions=(ASK, *completed()),
        expectations=(*THREE_ATTEMPTS, AttemptSpans(3), DoctorFinds("agents-without-bridge")),
        stack=NO_BRIDGE_IN_TRACE,
    ),
)
