"""Processes that die: the agents, or restate-server."""

from __future__ import annotations

from playhead_samples.scenarios.expectations import Acted, Answer, Asked, State, Status, Steps
from playhead_samples.scenarios.outages import (
    CrashAgents,
    CrashServer,
    StartAgents,
    StartServer,
    StopAgents,
)
from playhead_samples.scenarios.requests import Child, Send
from playhead_samples.scenarios.scenario import AtLeast, ModelFault, Scenario, ToolFault
from playhead_samples.scenarios.span_expectations import Attempts, ModelSpans, Ran
from playhead_samples.scenarios.waits import Asked as UntilAsked
from playhead_samples.scenarios.waits import (
    Happened,
    Is,
    Recorded,
    Tried,
    ended,
)

__all__ = ["SCENARIOS"]

ASK = Send("WeatherAgent/run", "What is the weather in Lima?")
HANG = (ModelFault(do="hang", agent="weather", call=2, seconds=60),)

SCENARIOS = (
    Scenario(
        name="crash-in-llm-call",
        title="kill -9 in the middle of the second LLM call",
        breaks="The agents' process dies while the LLM is thinking.",
        restate="Notices the broken connection and retries until the process is back. The first "
        "LLM answer and the tool's result are replayed; only the lost request is repeated.",
        look="The second attempt: replayed steps in grey, then the second `Model call` anew.",
        model=HANG,
        actions=(ASK, UntilAsked(2), Recorded(1), CrashAgents(), StartAgents(), *ended()),
        expect=(
            Status("succeeded"),
            Answer("Lima"),
            Acted("get_weather"),
            Asked(3),
            Steps("Model call", 2),
            Attempts(AtLeast(2)),
            ModelSpans(lost=1),
        ),
    ),
    Scenario(
        name="crash-between-tools",
        title="kill -9 between two tools",
        breaks="The process dies after the first specialist's opinion was filed, just before the "
        "second one's.",
        restate="Replays everything up to the second filing, and files it once.",
        look="The nested agents of the first attempt, replayed in the second one.",
        tools=(ToolFault(tool="file_opinion", do="hang", call=2),),
        actions=(
            Send(
                "ClaimIntake/{key}/run",
                "Collision: my car needs 4000 USD of repairs and I had surgery for 9000 USD.",
            ),
            UntilAsked(1, "car"),
            Recorded(4),
            CrashAgents(),
            StartAgents(),
            *ended(),
        ),
        expect=(
            Status("succeeded"),
            Acted("file_opinion", 1, {"specialist": "medical"}),
            Acted("file_opinion", 1, {"specialist": "car"}),
            Asked(3, "intake"),
            Asked(1, "medical"),
            Asked(1, "car"),
            State("ClaimIntake", "{key}", "last_specialist", "car"),
            ModelSpans(),
            Attempts(AtLeast(2)),
        ),
    ),
    Scenario(
        name="crash-after-side-effect",
        title="kill -9 after a side effect, before Restate knows of it",
        breaks="The tool has acted, and the process dies before it can tell.",
        restate="Cannot know that the step was done and runs it again: a step's side effect "
        "happens at least once, its result is recorded exactly once. Give such a step an "
        "idempotency key.",
        look="One step in the journal, executed in two attempts.",
        tools=(ToolFault(tool="get_weather", do="hang", when="after", call=1),),
        actions=(ASK, Happened("get_weather"), Recorded(1), CrashAgents(), StartAgents(), *ended()),
        expect=(
            Status("succeeded"),
            Acted("get_weather", 2),
            Steps("Get weather"),
            Asked(2),
            Attempts(AtLeast(2)),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="agents-restarted",
        title="SIGTERM in the middle of a run, as in a rolling update",
        breaks="The agents are asked to end while the LLM is thinking.",
        restate="Retries on the new process; what was done is replayed.",
        look="The first attempt ends with the process, the second replays it.",
        model=HANG,
        actions=(ASK, UntilAsked(2), StopAgents(), StartAgents(), *ended()),
        expect=(
            Status("succeeded"),
            Answer("Lima"),
            Acted("get_weather"),
            Asked(3),
            Ran("Get weather", 1),
            Attempts(AtLeast(2)),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="server-crash",
        title="kill -9 of restate-server in the middle of a run",
        breaks="The server dies while the LLM is thinking.",
        restate="Everything that was acknowledged lies in its log. When it is back it goes on with "
        "every invocation; finished steps are replayed.",
        look="Two attempts of one invocation, with the server's absence between them.",
        model=HANG,
        actions=(ASK, UntilAsked(2), CrashServer(), StartServer(), *ended()),
        expect=(
            Status("succeeded"),
            Answer("Lima"),
            Acted("get_weather"),
            Asked(3),
            Steps("Model call", 2),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="service-unreachable",
        title="Nobody listens where the agents should be",
        breaks="The agents are down when the request comes.",
        restate="Accepts the request all the same and retries until somebody answers.",
        look="Attempts that fail before the first step, with the reason.",
        actions=(CrashAgents(), ASK, Tried(2), StartAgents(), *ended()),
        expect=(
            Status("succeeded"),
            Answer("Lima"),
            Acted("get_weather"),
            Asked(2),
            Attempts(AtLeast(3)),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="schedule-survives-crash",
        title="A self-scheduling agent whose process dies between two ticks",
        breaks="The process dies after the first report; the next tick is already scheduled.",
        restate="The timer lives in the server: the tick fires and is retried until the process is "
        "back. Every report is sent once.",
        look="One invocation a tick, the second with failed attempts.",
        actions=(
            Send("Watchman/{key}/start", {"every_seconds": 3, "ticks": 2}, "start"),
            Child("Watchman", "first tick", of="start"),
            *ended("first tick"),
            Recorded(1),
            Child("Watchman", "run", of="first tick"),
            Is("scheduled"),
            CrashAgents(),
            Tried(2),
            StartAgents(),
            *ended(),
        ),
        expect=(
            Status("succeeded", "first tick"),
            Status("succeeded"),
            Acted("send_report", 1, {"number": 1}),
            Acted("send_report", 1, {"number": 2}),
            Asked(2, "watchman"),
            Attempts(AtLeast(3)),
            ModelSpans(),
        ),
    ),
)
