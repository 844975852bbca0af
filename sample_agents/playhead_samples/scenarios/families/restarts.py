"""Restarts, and errors that look like kills."""

from __future__ import annotations

from playhead_samples.scenarios.actions import RestartAsNew, Send, completed
from playhead_samples.scenarios.expectations import (
    AnswerContains,
    AttemptSpans,
    ChatSpans,
    FailureContains,
    JournalSteps,
    LlmRequests,
    SideEffects,
    StatusIs,
)
from playhead_samples.scenarios.scenario import Scenario
from playhead_samples.tool_faults import ToolFault

__all__ = ["SCENARIOS"]

ASK = Send("WeatherAgent/run", "What is the weather in Lima?")
FAILS_ONCE = (
    ToolFault(tool="get_weather", do="terminal", call=1, message="the weather station is closed"),
)

SCENARIOS = (
    Scenario(
        name="restart-with-input",
        title="A failed run is restarted with its input",
        failure="The tool fails with a terminal error; the cause is fixed afterwards.",
        behavior="Starts a new invocation with the same input. Every LLM call is made again.",
        look_at="The header of the new invocation, which names the original.",
        tool_faults=FAILS_ONCE,
        actions=(ASK, *completed(), RestartAsNew("restarted"), *completed("restarted")),
        expectations=(
            StatusIs("failed"),
            StatusIs("succeeded", "restarted"),
            AnswerContains("Lima", "restarted"),
            SideEffects("get_weather"),
            LlmRequests(3),
            AttemptSpans(1, "restarted"),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="restart-with-prefix",
        title="A failed run is restarted after its first LLM call",
        failure="The tool fails with a terminal error; the cause is fixed afterwards.",
        behavior="Starts a new invocation with a copy of the first journal entries. The copied "
        "LLM answer is replayed and not paid again.",
        look_at="The LLM calls and tokens of the new invocation: only the ones that it made.",
        tool_faults=FAILS_ONCE,
        actions=(
            ASK,
            *completed(),
            RestartAsNew("restarted", through="Model call"),
            *completed("restarted"),
        ),
        expectations=(
            StatusIs("failed"),
            StatusIs("succeeded", "restarted"),
            AnswerContains("Lima", "restarted"),
            SideEffects("get_weather"),
            JournalSteps("Model call", 2, "restarted"),
            LlmRequests(2),
            AttemptSpans(1, "restarted"),
            ChatSpans(),
        ),
    ),
    *(
        Scenario(
            name=f"error-that-looks-{word}",
            title=f"A terminal error with the code and text of {article} invocation",
            failure=f"A tool raises a terminal error with code 409 and the text `{word}`.",
            behavior="Fails the invocation with this error. The handler wrote it to the journal "
            "as its output.",
            look_at=f"The status: `failed`, not `{word}`.",
            tool_faults=(
                ToolFault(tool="get_weather", do="terminal", message=word, status_code=409),
            ),
            actions=(ASK, *completed()),
            expectations=(
                StatusIs("failed"),
                FailureContains(word),
                SideEffects("get_weather", 0),
                LlmRequests(1),
                AttemptSpans(1),
                ChatSpans(),
            ),
        )
        for word, article in (("killed", "a killed"), ("cancelled", "a cancelled"))
    ),
)
