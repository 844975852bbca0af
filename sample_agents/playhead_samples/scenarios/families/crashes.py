"""Process crashes and restarts."""

from __future__ import annotations

from playhead_samples.llm.faults import LlmFault
from playhead_samples.scenarios.actions import (
    FindChild,
    KillAgents,
    KillServer,
    Send,
    StartAgents,
    StartServer,
    StopAgents,
    WaitForAttempts,
    WaitForLlmRequest,
    WaitForSideEffect,
    WaitForSpans,
    WaitForStatus,
    completed,
)
from playhead_samples.scenarios.expectations import (
    AnswerContains,
    AttemptSpans,
    ChatSpans,
    JournalSteps,
    LlmRequests,
    SideEffects,
    StateContains,
    StatusIs,
    StepExecutions,
)
from playhead_samples.scenarios.scenario import AtLeast, Scenario
from playhead_samples.tool_faults import ToolFault

__all__ = ["SCENARIOS"]

ASK = Send("WeatherAgent/run", "What is the weather in Lima?")
HANG = (LlmFault(do="hang", agent="weather", call=2, seconds=60),)

SCENARIOS = (
    Scenario(
        name="crash-in-llm-call",
        title="Crash (kill -9) during the second LLM call",
        failure="The agents' process dies while it waits for the LLM.",
        behavior="Detects the broken connection and retries until the process is back. The first "
        "LLM answer and the tool's result are replayed; only the lost request is repeated.",
        look_at="The second attempt: replayed steps in gray, then the second `Model call`, "
        "executed again.",
        llm_faults=HANG,
        actions=(
            ASK,
            WaitForLlmRequest(2),
            WaitForSpans(1),
            KillAgents(),
            StartAgents(),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Lima"),
            SideEffects("get_weather"),
            LlmRequests(3),
            JournalSteps("Model call", 2),
            AttemptSpans(AtLeast(2)),
            ChatSpans(lost=1),
        ),
    ),
    Scenario(
        name="crash-between-tools",
        title="Crash (kill -9) between two tool calls",
        failure="The process dies after the first specialist's opinion is filed and before the "
        "second one's.",
        behavior="Replays everything up to the second filing, then files it once.",
        look_at="The nested agents of the first attempt, replayed in the second one.",
        tool_faults=(ToolFault(tool="file_opinion", do="hang", call=2),),
        actions=(
            Send(
                "ClaimIntake/{key}/run",
                "Collision: my car needs 4000 USD of repairs and I had surgery for 9000 USD.",
            ),
            WaitForLlmRequest(1, "car"),
            WaitForSpans(4),
            KillAgents(),
            StartAgents(),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded"),
            SideEffects("file_opinion", 1, {"specialist": "medical"}),
            SideEffects("file_opinion", 1, {"specialist": "car"}),
            LlmRequests(3, "intake"),
            LlmRequests(1, "medical"),
            LlmRequests(1, "car"),
            StateContains("ClaimIntake", "{key}", "last_specialist", "car"),
            ChatSpans(),
            AttemptSpans(AtLeast(2)),
        ),
    ),
    Scenario(
        name="crash-after-side-effect",
        title="Crash (kill -9) after a side effect, before its result is stored",
        failure="The tool performs its side effect, and the process dies before it can report the "
        "result.",
        behavior="Runs the step again because its result is not in the journal. A step's side "
        "effect happens at least once; its result is journaled exactly once. Such a step needs an "
        "idempotency key.",
        look_at="One step in the journal, executed in two attempts.",
        tool_faults=(ToolFault(tool="get_weather", do="hang", when="after", call=1),),
        actions=(
            ASK,
            WaitForSideEffect("get_weather"),
            WaitForSpans(1),
            KillAgents(),
            StartAgents(),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded"),
            SideEffects("get_weather", 2),
            JournalSteps("Get weather"),
            LlmRequests(2),
            AttemptSpans(AtLeast(2)),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="agents-restarted",
        title="Restart (SIGTERM) during a run, as in a rolling update",
        failure="The agents' process is asked to stop while it waits for the LLM.",
        behavior="Retries on the new process and replays the completed steps.",
        look_at="The first attempt, which ends with its process, and the second one, which "
        "replays it.",
        llm_faults=HANG,
        actions=(ASK, WaitForLlmRequest(2), StopAgents(), StartAgents(), *completed()),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Lima"),
            SideEffects("get_weather"),
            LlmRequests(3),
            StepExecutions("Get weather", 1),
            AttemptSpans(AtLeast(2)),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="server-crash",
        title="Crash (kill -9) of restate-server during a run",
        failure="The server dies while an agent waits for the LLM.",
        behavior="Keeps all acknowledged data in its log. After the restart it continues every "
        "invocation and replays the completed steps.",
        look_at="Two attempts of one invocation, with the server's downtime between them.",
        llm_faults=HANG,
        actions=(ASK, WaitForLlmRequest(2), KillServer(), StartServer(), *completed()),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Lima"),
            SideEffects("get_weather"),
            LlmRequests(3),
            JournalSteps("Model call", 2),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="service-unreachable",
        title="The agents are down when a request arrives",
        failure="No process listens on the agents' port.",
        behavior="Accepts the request and retries until the agents are back.",
        look_at="Attempts that fail before the first step, with the reason.",
        actions=(KillAgents(), ASK, WaitForAttempts(2), StartAgents(), *completed()),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Lima"),
            SideEffects("get_weather"),
            LlmRequests(2),
            AttemptSpans(AtLeast(3)),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="schedule-survives-crash",
        title="A self-scheduling agent crashes between two ticks",
        failure="The process dies after the first report, when the next tick is already scheduled.",
        behavior="Keeps the timer in the server: the tick fires on time and is retried until the "
        "process is back. Each report is sent once.",
        look_at="One invocation per tick; the second one has failed attempts.",
        actions=(
            Send("Watchman/{key}/start", {"every_seconds": 3, "ticks": 2}, "start"),
            FindChild("Watchman", "first tick", of="start"),
            *completed("first tick"),
            WaitForSpans(1),
            FindChild("Watchman", "run", of="first tick"),
            WaitForStatus("scheduled"),
            KillAgents(),
            WaitForAttempts(2),
            StartAgents(),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded", "first tick"),
            StatusIs("succeeded"),
            SideEffects("send_report", 1, {"number": 1}),
            SideEffects("send_report", 1, {"number": 2}),
            LlmRequests(2, "watchman"),
            AttemptSpans(AtLeast(3)),
            ChatSpans(),
        ),
    ),
)
