"""Request delivery: duplicates, delays and queues."""

from __future__ import annotations

from playhead_samples.llm.faults import LlmFault
from playhead_samples.scenarios.actions import (
    Kill,
    RemoveFaults,
    Send,
    WaitForLlmRequest,
    WaitForStatus,
    completed,
)
from playhead_samples.scenarios.expectations import (
    AnswerContains,
    AttemptSpans,
    ChatSpans,
    CompletionOrder,
    FailureContains,
    InjectedLlmFaults,
    LlmRequests,
    SameInvocation,
    SideEffects,
    StartedLater,
    StateContains,
    StatusIs,
)
from playhead_samples.scenarios.scenario import Scenario

__all__ = ["SCENARIOS"]

CHAT = "ChatAgent/{key}/message"
HOT = 6
HOT_NAMES = tuple(f"hot {n}" for n in range(1, HOT + 1))

SCENARIOS = (
    Scenario(
        name="duplicate-request",
        title="The same request twice, with an idempotency key",
        failure="A client repeats its request because the first answer was late.",
        behavior="Recognizes the key and attaches the second request to the first invocation.",
        look_at="One invocation, with the idempotency key in its details.",
        actions=(
            Send("WeatherAgent/run", "What is the weather in Oslo?", idempotency_key="{key}"),
            Send(
                "WeatherAgent/run", "What is the weather in Oslo?", "again", idempotency_key="{key}"
            ),
            *completed(),
            Send(
                "WeatherAgent/run", "What is the weather in Oslo?", "late", idempotency_key="{key}"
            ),
        ),
        expectations=(
            SameInvocation("run", "again"),
            SameInvocation("run", "late"),
            StatusIs("succeeded"),
            SideEffects("get_weather"),
            LlmRequests(2),
            AttemptSpans(1),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="delayed-send",
        title="A delayed request",
        failure="Nothing. The request asks to start in three seconds.",
        behavior="Stores the request in its log and starts it when it is due. No separate "
        "scheduler is needed.",
        look_at="The status `scheduled`, and the gap between creation and the first attempt.",
        actions=(
            Send("WeatherAgent/run", "What is the weather in Rome?", delay="3s"),
            WaitForStatus("scheduled"),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded"),
            StartedLater(2.9),
            SideEffects("get_weather"),
            LlmRequests(2),
            AttemptSpans(1),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="concurrent-messages",
        title="Two messages to one conversation at the same time",
        failure="The second message arrives while the first one is being answered.",
        behavior="Runs one invocation per key at a time: the second waits in the queue, then sees "
        "the history that includes the first. A shared handler can read in the meantime.",
        look_at="The second invocation, which is `pending` until the first one has completed.",
        llm_faults=(LlmFault(do="slow", agent="chat", call=1, seconds=3),),
        actions=(
            Send(CHAT, "Hello, my name is Ada."),
            WaitForLlmRequest(1),
            Send(CHAT, "What is my name?", "second"),
            WaitForStatus("pending", "second"),
            Send("ChatAgent/{key}/get_history", name="look"),
            *completed("look", "run", "second"),
        ),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("Your name is Ada", "second"),
            CompletionOrder("look", "run", "second"),
            SideEffects("deliver_answer", 2, {"key": "{key}"}),
            StateContains("ChatAgent", "{key}", "history", "Your name is Ada"),
            LlmRequests(2, "chat"),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="hot-key",
        title="A busy key and an idle one",
        failure="Six messages reach one conversation at the same time, and its LLM is slow.",
        behavior="Processes them in order, one at a time, without losing an update. Other keys "
        "are not delayed.",
        look_at="Five invocations queued behind one, and the invocation of the other key "
        "overtaking them.",
        llm_faults=(LlmFault(do="slow", agent="chat", prompt="hot", times=None, seconds=0.4),),
        actions=(
            *(Send("ChatAgent/{key}/message", "This is hot.", name) for name in HOT_NAMES),
            Send("ChatAgent/{key}-cold/message", "This is cold.", "cold"),
            *completed(*HOT_NAMES, "cold"),
        ),
        expectations=(
            *(AnswerContains(f"This is message {n} ", name) for n, name in enumerate(HOT_NAMES, 1)),
            CompletionOrder(*HOT_NAMES),
            CompletionOrder("cold", HOT_NAMES[-1]),
            SideEffects("deliver_answer", HOT, {"key": "{key}"}),
            LlmRequests(HOT + 1, "chat"),
            ChatSpans(),
        ),
        main_invocation=HOT_NAMES[-1],
    ),
    Scenario(
        name="stuck-queue",
        title="The queue of a virtual object is blocked",
        failure="The first message of a conversation fails repeatedly; two more messages wait "
        "behind it.",
        behavior="Retries the first message and preserves the order. Killing it unblocks the "
        "queue, and the other messages are answered.",
        look_at="The invocation that blocks the queue, the ones behind it, and how long they wait.",
        llm_faults=(LlmFault(do="server_error", agent="chat", prompt="stuck", times=None),),
        actions=(
            Send(CHAT, "I am stuck."),
            WaitForLlmRequest(2),
            Send(CHAT, "Hello, I'm Bob.", "second"),
            Send(CHAT, "What is my name?", "third"),
            WaitForStatus("pending", "second"),
            WaitForStatus("pending", "third"),
            Kill(),
            *completed("run", "second", "third"),
            RemoveFaults(),
        ),
        expectations=(
            StatusIs("failed"),
            FailureContains("killed"),
            StatusIs("succeeded", "second"),
            AnswerContains("Your name is Bob", "third"),
            CompletionOrder("run", "second", "third"),
            SideEffects("deliver_answer", 2, {"key": "{key}"}),
            ChatSpans(),
        ),
        main_invocation="second",
    ),
    Scenario(
        name="poison-message",
        title="A poison message does not block the messages after it",
        failure="One message of a conversation can never be answered, because the provider "
        "rejects it.",
        behavior="Fails that message with a terminal error, leaves the conversation's state "
        "unchanged, and processes the next message.",
        look_at="A failed invocation between two that succeeded, all with the same key.",
        llm_faults=(LlmFault(do="context_length", agent="chat", prompt="poison", times=None),),
        actions=(
            Send(CHAT, "Hello, my name is Eve.", "first"),
            Send(CHAT, "This is poison."),
            Send(CHAT, "What is my name?", "third"),
            *completed("first", "run", "third"),
        ),
        expectations=(
            StatusIs("succeeded", "first"),
            StatusIs("failed"),
            FailureContains("maximum context length"),
            InjectedLlmFaults({"context_length": 1}),
            AnswerContains("Your name is Eve", "third"),
            SideEffects("deliver_answer", 2, {"key": "{key}"}),
            LlmRequests(3, "chat"),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="bad-input",
        title="A request that violates the agent's schema",
        failure="The client misspells a field.",
        behavior="Fails the invocation at once: the handler rejects the input with a terminal "
        "error. No LLM is called, and nothing is retried.",
        look_at="A failed invocation without steps; its error names the field.",
        actions=(Send("WeatherAgent/run", {"massage": "What is the weather?"}), *completed()),
        expectations=(
            StatusIs("failed"),
            FailureContains("Field required"),
            LlmRequests(0),
            AttemptSpans(1),
            ChatSpans(),
        ),
    ),
)
