"""Requests: duplicates, delays, queues, poison."""

from __future__ import annotations

from playhead_samples.scenarios.expectations import (
    Acted,
    Answer,
    Asked,
    Began,
    Completed,
    Fails,
    SameInvocation,
    State,
    Status,
    Struck,
)
from playhead_samples.scenarios.outages import LiftFaults
from playhead_samples.scenarios.requests import Kill, Send
from playhead_samples.scenarios.scenario import ModelFault, Scenario
from playhead_samples.scenarios.span_expectations import Attempts, ModelSpans
from playhead_samples.scenarios.waits import Asked as UntilAsked
from playhead_samples.scenarios.waits import Is, ended

__all__ = ["SCENARIOS"]

CHAT = "ChatAgent/{key}/message"
HOT = 6
HOT_NAMES = tuple(f"hot {n}" for n in range(1, HOT + 1))

SCENARIOS = (
    Scenario(
        name="duplicate-request",
        title="The same request twice, with an idempotency key",
        breaks="A client sends its request again because the first answer was late.",
        restate="Recognises the key and attaches the second request to the first invocation.",
        look="One invocation, with the key among its details.",
        actions=(
            Send("WeatherAgent/run", "What is the weather in Oslo?", idempotency_key="{key}"),
            Send(
                "WeatherAgent/run", "What is the weather in Oslo?", "again", idempotency_key="{key}"
            ),
            *ended(),
            Send(
                "WeatherAgent/run", "What is the weather in Oslo?", "late", idempotency_key="{key}"
            ),
        ),
        expect=(
            SameInvocation("run", "again"),
            SameInvocation("run", "late"),
            Status("succeeded"),
            Acted("get_weather"),
            Asked(2),
            Attempts(1),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="delayed-send",
        title="A request for later",
        breaks="Nothing: the request is to start in three seconds.",
        restate="Keeps it in its log and starts it when it is due; no scheduler is needed.",
        look="The status `scheduled`, and the gap between creation and the first attempt.",
        actions=(
            Send("WeatherAgent/run", "What is the weather in Rome?", delay="3s"),
            Is("scheduled"),
            *ended(),
        ),
        expect=(
            Status("succeeded"),
            Began(2.9),
            Acted("get_weather"),
            Asked(2),
            Attempts(1),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="concurrent-messages",
        title="Two messages to one conversation at once",
        breaks="The second message comes while the first is being answered.",
        restate="One at a time for each key: the second waits in the queue and sees the history "
        "with the first. A shared handler may read meanwhile.",
        look="The second invocation is `pending` until the first has ended.",
        model=(ModelFault(do="slow", agent="chat", call=1, seconds=3),),
        actions=(
            Send(CHAT, "Hello, my name is Ada."),
            UntilAsked(1),
            Send(CHAT, "What is my name?", "second"),
            Is("pending", "second"),
            Send("ChatAgent/{key}/get_history", name="look"),
            *ended("look", "run", "second"),
        ),
        expect=(
            Status("succeeded"),
            Answer("Your name is Ada", "second"),
            Completed("look", "run", "second"),
            Acted("deliver_answer", 2, {"key": "{key}"}),
            State("ChatAgent", "{key}", "history", "Your name is Ada"),
            Asked(2, "chat"),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="hot-key",
        title="A hot key, and a cold one beside it",
        breaks="Six messages hit one conversation at once while the LLM is slow for it.",
        restate="Works them off in order, one at a time, without losing an update; another key is "
        "not held up.",
        look="Five invocations waiting behind one, and the other key's passing them.",
        model=(ModelFault(do="slow", agent="chat", prompt="hot", times=None, seconds=0.4),),
        actions=(
            *(Send("ChatAgent/{key}/message", "This is hot.", name) for name in HOT_NAMES),
            Send("ChatAgent/{key}-cold/message", "This is cold.", "cold"),
            *ended(*HOT_NAMES, "cold"),
        ),
        expect=(
            *(Answer(f"This is message {n} ", name) for n, name in enumerate(HOT_NAMES, 1)),
            Completed(*HOT_NAMES),
            Completed("cold", HOT_NAMES[-1]),
            Acted("deliver_answer", HOT, {"key": "{key}"}),
            Asked(HOT + 1, "chat"),
            ModelSpans(),
        ),
        shows=HOT_NAMES[-1],
    ),
    Scenario(
        name="stuck-queue",
        title="A virtual object's queue is stuck",
        breaks="The first message of a conversation fails again and again; two more wait behind.",
        restate="Retries the first and keeps the order. Killing it frees the queue; the others are "
        "answered.",
        look="Who holds the key, who waits for it, and for how long.",
        model=(ModelFault(do="server_error", agent="chat", prompt="stuck", times=None),),
        actions=(
            Send(CHAT, "I am stuck."),
            UntilAsked(2),
            Send(CHAT, "Hello, I'm Bob.", "second"),
            Send(CHAT, "What is my name?", "third"),
            Is("pending", "second"),
            Is("pending", "third"),
            Kill(),
            *ended("run", "second", "third"),
            LiftFaults(),
        ),
        expect=(
            Status("failed"),
            Fails("killed"),
            Status("succeeded", "second"),
            Answer("Your name is Bob", "third"),
            Completed("run", "second", "third"),
            Acted("deliver_answer", 2, {"key": "{key}"}),
            ModelSpans(),
        ),
        shows="second",
    ),
    Scenario(
        name="poison-message",
        title="A poison message does not stop the ones behind it",
        breaks="One message of a conversation can never be answered: the provider refuses it.",
        restate="Fails that message for good, leaves the conversation's state as it was, and goes "
        "on with the next.",
        look="A failed invocation between two that succeeded, all of one key.",
        model=(ModelFault(do="context_length", agent="chat", prompt="poison", times=None),),
        actions=(
            Send(CHAT, "Hello, my name is Eve.", "first"),
            Send(CHAT, "This is poison."),
            Send(CHAT, "What is my name?", "third"),
            *ended("first", "run", "third"),
        ),
        expect=(
            Status("succeeded", "first"),
            Status("failed"),
            Fails("maximum context length"),
            Struck({"context_length": 1}),
            Answer("Your name is Eve", "third"),
            Acted("deliver_answer", 2, {"key": "{key}"}),
            Asked(3, "chat"),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="bad-input",
        title="A request that does not fit the agent's schema",
        breaks="The client misspells a field.",
        restate="The handler refuses the input with a terminal error; nothing was asked of the "
        "LLM, and nothing is retried.",
        look="A failed invocation without any step, whose error names the field.",
        actions=(Send("WeatherAgent/run", {"massage": "What is the weather?"}), *ended()),
        expect=(Status("failed"), Fails("Field required"), Asked(0), Attempts(1), ModelSpans()),
    ),
)
