"""Changed code, and the line to it."""

from __future__ import annotations

from playhead_samples.scenarios.deployments import ChangeCode, CutLine, Deploy, SlowLine
from playhead_samples.scenarios.expectations import Acted, Answer, Asked, Noted, Status, Steps
from playhead_samples.scenarios.outages import StartAgents, StopAgents, Timeouts
from playhead_samples.scenarios.requests import Decide, Resume, Send
from playhead_samples.scenarios.scenario import IMPATIENT, AtLeast, ModelFault, Scenario
from playhead_samples.scenarios.span_expectations import Attempts, ModelSpans, Ran
from playhead_samples.scenarios.waits import Asked as UntilAsked
from playhead_samples.scenarios.waits import Is, ended
from playhead_samples.scenarios.waits import Noted as UntilNoted

__all__ = ["SCENARIOS"]

ORDER = Send("OrderProcess/run", {"order": "{key}"})
PAY = Decide("paid", asked="ask_payment")
CHANGED = ChangeCode({"PLAYHEAD_CODE": "changed"})

PROCESSED = (
    Status("succeeded"),
    Answer("is paid"),
    Noted("RT0016"),
    Acted("reserve_stock", 1, {"order": "{key}"}),
    Acted("ask_payment", 1, {"order": "{key}"}),
    Acted("ship", 1, {"order": "{key}"}),
    Acted("check_order_fraud", 0),
    Steps("Check fraud", 0),
    Asked(1, "clerk"),
)
"""Every step once, and none of the changed code."""

SCENARIOS = (
    Scenario(
        name="changed-code-put-back",
        title="Changed code in flight, and the old code put back",
        breaks="While the order waits for its payment, a version with a new first step is deployed "
        "in place of the old one.",
        restate="Compares the journal with what the code does, refuses to go on (RT0016), and "
        "retries; nothing of the wrong code takes effect. With the old code it goes on.",
        look="The event RT0016 at the step that differs; `playhead replay` shows the difference.",
        actions=(
            Timeouts("OrderProcess", inactivity="200 ms"),
            ORDER,
            Is("suspended"),
            Timeouts("OrderProcess", inactivity="60 s"),
            StopAgents(),
            CHANGED,
            StartAgents(),
            PAY,
            UntilNoted("RT0016"),
            StopAgents(),
            ChangeCode({}, "the old code is put back"),
            StartAgents(),
            *ended(),
        ),
        expect=(*PROCESSED, Attempts(AtLeast(3)), ModelSpans()),
    ),
    Scenario(
        name="changed-code-new-deployment",
        title="Non-deterministic code, fixed by a new deployment",
        breaks="As in `changed-code-put-back`, until the retries are used up.",
        restate="Pauses the invocation. The fixed code is registered at a new address, and the "
        "invocation is resumed there.",
        look="Paused with RT0016; after resuming, another deployment among the details.",
        actions=(
            Timeouts("OrderProcess", inactivity="200 ms"),
            ORDER,
            Is("suspended"),
            Timeouts("OrderProcess", inactivity="60 s"),
            StopAgents(),
            CHANGED,
            StartAgents(),
            PAY,
            Is("paused"),
            Deploy(),
            Resume(latest=True),
            *ended(),
        ),
        expect=(*PROCESSED, Noted("Paused"), Attempts(AtLeast(5)), ModelSpans()),
        needs=IMPATIENT,
    ),
    Scenario(
        name="slow-network",
        title="A slow network between server and agents",
        breaks="Every piece of data takes 100 ms in either direction.",
        restate="Nothing needs to be retried: one attempt, every step once, only later.",
        look="Gaps between the steps, which the LLM and the tools did not cause.",
        actions=(
            SlowLine(0.1),
            Send("WeatherAgent/run", "What is the weather in Perth?"),
            *ended(),
        ),
        expect=(
            Status("succeeded"),
            Answer("Perth"),
            Acted("get_weather"),
            Asked(2),
            Attempts(1),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="connection-cut",
        title="The connection breaks in the middle of a run",
        breaks="Server and agents stay alive, but the connection between them is reset while the "
        "LLM is thinking.",
        restate="Starts a new attempt on a new connection; finished steps are replayed.",
        look="Two attempts by one process, with a connection error between them.",
        model=(ModelFault(do="hang", agent="weather", call=2, seconds=60),),
        actions=(
            SlowLine(0.01),
            Send("WeatherAgent/run", "What is the weather in Perth?"),
            UntilAsked(2),
            CutLine(),
            *ended(),
        ),
        expect=(
            Status("succeeded"),
            Answer("Perth"),
            Acted("get_weather"),
            Ran("Get weather", 1),
            Asked(3),
            Attempts(2),
            ModelSpans(),
        ),
    ),
)
