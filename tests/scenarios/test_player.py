"""Scenarios on real servers: they pass when they should, and fail when they should."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import httpx
import pytest
from playhead import Client
from playhead_samples.effects import record
from playhead_samples.scenarios import registry
from playhead_samples.scenarios.actions import (
    AnswerApproval,
    Cancel,
    FindChild,
    Send,
    WaitForAttempts,
    WaitForSideEffect,
    WaitForStatus,
    completed,
)
from playhead_samples.scenarios.expectations import (
    AnswerContains,
    AttemptSpans,
    ChatSpans,
    CompletionOrder,
    EventContains,
    JournalSteps,
    LlmRequests,
    SideEffects,
    StatusIs,
    StepExecutions,
)
from playhead_samples.scenarios.player import COMMON_EXPECTATIONS, ScenarioResult, play
from playhead_samples.scenarios.scenario import CheckResult, Scenario
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun
from playhead_samples.stack import Stack

FAST = (
    "weather-api-down",
    "llm-invalid-arguments",
    "poison-message",
    "crash-in-rollback",
    "changed-code-put-back",
)


def run(scenario: Scenario, stack: Stack) -> tuple[ScenarioResult, list[str]]:
    lines: list[str] = []
    return play(scenario, stack, lines.append, lambda invocation: None), lines


def own_checks(outcome: ScenarioResult) -> list[CheckResult]:
    """Return the checks of the scenario without the common ones."""
    return list(outcome.checks[: -len(COMMON_EXPECTATIONS)])


def scenario_of(*actions: Any, expectations: tuple[Any, ...], **more: Any) -> Scenario:
    texts = dict.fromkeys(("title", "failure", "behavior", "look_at"), "A test.")
    return Scenario(
        name="made-for-a-test", **texts, actions=actions, expectations=expectations, **more
    )


@pytest.mark.parametrize("name", FAST)
def test_scenario_passes(name: str, stack: Stack) -> None:
    outcome, lines = run(registry.find(name), stack)
    assert [c for c in outcome.checks if not c.ok] == []
    assert len(outcome.checks) >= len(registry.find(name).expectations)
    assert outcome.invocation_id is not None
    assert any(outcome.invocation_id in line for line in lines)


def test_every_kind_of_expectation_can_fail(stack: Stack) -> None:
    wrong = (
        StatusIs("failed"),
        AnswerContains("snow in Denver"),
        SideEffects("get_weather", 2),
        SideEffects("get_weather", 1, {"city": "Oslo"}),
        LlmRequests(3),
        JournalSteps("Get weather", 2),
        EventContains("RT0016"),
        AttemptSpans(4),
        StepExecutions("Get weather", 2),
        ChatSpans(lost=1),
    )
    good = registry.find("weather-api-down")
    outcome, _ = run(dataclasses.replace(good, expectations=wrong), stack)
    assert [c.subject for c in own_checks(outcome) if c.ok] == []
    assert len(own_checks(outcome)) == len(wrong)
    assert not outcome.ok


def test_missing_llm_call_in_playhead_is_detected(stack: Stack) -> None:
    """A request to the LLM that no agent sent is missing in Playhead, and the checks fail."""

    class CallLlmDirectly:
        def __str__(self) -> str:
            return "call the LLM without an agent"

        def play(self, run: ScenarioRun) -> None:
            body = {"model": "gpt-local", "messages": [{"role": "user", "content": "Hello?"}]}
            url = f"{stack.llm_url}/v1/chat/completions"
            httpx.post(url, json=body, timeout=10.0).raise_for_status()

    send = Send("WeatherAgent/run", "What is the weather in Lisbon?")
    outcome, _ = run(
        scenario_of(send, *completed(), CallLlmDirectly(), expectations=(ChatSpans(),)), stack
    )
    shown = {check.subject: check for check in outcome.checks}
    assert not shown["stored chat spans = LLM requests"].ok
    assert shown["shown status"].ok
    answers = shown["shown LLM answers and tokens"]
    assert (answers.expected[0], answers.observed[0], answers.ok) == ("3", "2", False)


def test_an_attempt_that_did_not_happen_is_detected(stack: Stack) -> None:
    """A span of an attempt that the server did not begin changes a count in every view."""

    class SendFalseSpan:
        def __str__(self) -> str:
            return "send the span of an attempt that did not happen"

        def play(self, run: ScenarioRun) -> None:
            invocation = run.invocation_id("run")
            trace = run.row("run")["trace_id"]
            at = str(int(run.started_at * 1e9) + 1)
            span = {
                "traceId": trace,
                "spanId": "00000000000000aa",
                "name": "invocation-attempt WeatherAgent/run",
                "startTimeUnixNano": at,
                "endTimeUnixNano": at,
                "attributes": [attribute("restate.invocation.id", invocation)],
            }
            resource = {"attributes": [attribute("service.name", "Restate")]}
            body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
            httpx.post(f"{stack.otlp_url}/v1/traces", json=body, timeout=10.0).raise_for_status()

            def attempts() -> list[int | None]:
                with Client(settings=stack.settings) as client:
                    rows = client.invocations(limit=1000).rows
                return [row.attempts for row in rows if row.id == invocation]

            run.wait(lambda: attempts() == [2], seconds=30, what="the number is certain")

    send = Send("WeatherAgent/run", "What is the weather in Lisbon?")
    scenario = scenario_of(send, *completed(), SendFalseSpan(), expectations=())
    outcome, _ = run(scenario, stack)
    [views] = [c for c in outcome.checks if c.subject.startswith("views of")]
    assert not views.ok
    for view in ("ls", "show", "SQL", "list screen", "invocation screen"):
        assert f"{view}: run attempts 2, counted 1" in views.observed
    assert "stats: WeatherAgent attempts 3, counted 2" in views.observed


def attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def test_wrong_completion_order_is_detected(stack: Stack) -> None:
    send = [
        Send("ChatAgent/{key}/message", "My name is Ada.", "one"),
        Send("ChatAgent/{key}/message", "My name is Bob.", "two"),
    ]
    expect = (CompletionOrder("one", "two"), CompletionOrder("two", "one"))
    outcome, _ = run(
        scenario_of(*send, *completed("one", "two"), expectations=expect, main_invocation="one"),
        stack,
    )
    assert [c.ok for c in own_checks(outcome)] == [True, False]


def test_side_effect_without_restate_is_counted(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tools count themselves, so that a side effect outside of Restate is detected."""

    class ActDirectly:
        def __str__(self) -> str:
            return "cause a side effect without Restate"

        def play(self, run: ScenarioRun) -> None:
            monkeypatch.setitem(os.environ, "PLAYHEAD_EFFECTS", str(stack.effects_file))
            record("get_weather", city="Lisbon")

    send = Send("WeatherAgent/run", "What is the weather in Lisbon?")
    outcome, _ = run(
        scenario_of(
            send, *completed(), ActDirectly(), expectations=(SideEffects("get_weather", 1),)
        ),
        stack,
    )
    assert [(c.ok, c.observed) for c in own_checks(outcome)] == [(False, "2")]


def test_unmet_condition_ends_the_scenario(stack: Stack) -> None:
    send = Send("WeatherAgent/run", "What is the weather in Lisbon?")
    scenario = scenario_of(
        send, WaitForStatus("paused", seconds=0.5), expectations=(StatusIs("succeeded"),)
    )
    outcome, lines = run(scenario, stack)
    assert not own_checks(outcome)[0].ok
    assert own_checks(outcome)[0].observed == "timed out after 0.5 s: wait until 'run' is paused"
    assert len(own_checks(outcome)) == 2
    assert any(
        "stopped: timed out after 0.5 s: wait until 'run' is paused" in line for line in lines
    )


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (Send("NoSuchAgent/run", "Hello?"), "404"),
        (Send("WeatherAgent/run", "Hello?", delay="soon"), "400"),
        (AnswerApproval(True), "no approval was requested"),
        (Cancel("other"), "no request named 'other' was sent"),
        (WaitForAttempts(1, "other"), "no request named 'other' was sent"),
        (WaitForSideEffect("nothing", seconds=0.2), "timed out after 0.2 s"),
    ],
)
def test_failed_action_gives_the_reason(action: Any, why: str, stack: Stack) -> None:
    outcome, _ = run(scenario_of(action, expectations=()), stack)
    assert [c.ok for c in own_checks(outcome)] == [False]
    assert why in own_checks(outcome)[0].observed


def test_waiting_for_a_missing_child_times_out(stack: Stack) -> None:
    send = Send("WeatherAgent/run", "What is the weather in Lisbon?")
    child = FindChild("MotorDesk", "motor", seconds=0.3)
    outcome, _ = run(scenario_of(send, child, expectations=()), stack)
    assert (
        own_checks(outcome)[0].observed == "timed out after 0.3 s: wait until 'run' calls MotorDesk"
    )
