"""The engine on real servers: it sees what is so, and does not see what is not."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import httpx
import pytest
from playhead_samples.effects import record
from playhead_samples.scenarios import registry as catalogue
from playhead_samples.scenarios.engine import ALWAYS, Outcome, play
from playhead_samples.scenarios.expectations import (
    Acted,
    Answer,
    Asked,
    Completed,
    Noted,
    Status,
    Steps,
)
from playhead_samples.scenarios.requests import Cancel, Child, Decide, Send
from playhead_samples.scenarios.scenario import Check, Scenario
from playhead_samples.scenarios.span_expectations import Attempts, ModelSpans, Ran
from playhead_samples.scenarios.waits import Happened, Is, Tried, ended
from playhead_samples.stack import Stack

QUICK = (
    "weather-api-down",
    "llm-invalid-arguments",
    "poison-message",
    "crash-in-rollback",
    "changed-code-put-back",
)


def run(scenario: Scenario, stack: Stack) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    return play(scenario, stack, said.append, lambda invocation: None), said


def own(outcome: Outcome) -> list[Check]:
    """The checks that belong to the scenario, without those that every scenario has."""
    return list(outcome.checks[: -len(ALWAYS)])


def made(*actions: Any, expect: tuple[Any, ...], **more: Any) -> Scenario:
    texts = dict.fromkeys(("title", "breaks", "restate", "look"), "A test.")
    return Scenario(name="made-here", **texts, actions=actions, expect=expect, **more)


@pytest.mark.parametrize("name", QUICK)
def test_a_scenario_goes_as_expected(name: str, stack: Stack) -> None:
    outcome, said = run(catalogue.find(name), stack)
    assert [c for c in outcome.checks if not c.ok] == []
    assert len(outcome.checks) >= len(catalogue.find(name).expect)
    assert outcome.invocation_id is not None
    assert any(outcome.invocation_id in line for line in said)


def test_every_kind_of_expectation_can_fail(stack: Stack) -> None:
    wrong = (
        Status("failed"),
        Answer("snow in Denver"),
        Acted("get_weather", 2),
        Acted("get_weather", 1, {"city": "Oslo"}),
        Asked(3),
        Steps("Get weather", 2),
        Noted("RT0016"),
        Attempts(4),
        Ran("Get weather", 2),
        ModelSpans(lost=1),
    )
    good = catalogue.find("weather-api-down")
    outcome, _ = run(dataclasses.replace(good, expect=wrong), stack)
    assert [c.what for c in own(outcome) if c.ok] == []
    assert len(own(outcome)) == len(wrong)
    assert not outcome.ok


def test_what_playhead_shows_is_held_against_the_llm_server(stack: Stack) -> None:
    """An answer that no agent asked for is missing in what is shown, and that is noticed."""

    class AskBehindItsBack:
        def __str__(self) -> str:
            return "ask the LLM behind Playhead's back"

        def play(self, world: Any) -> None:
            body = {"model": "gpt-local", "messages": [{"role": "user", "content": "Hello?"}]}
            url = f"{stack.llm_url}/v1/chat/completions"
            httpx.post(url, json=body, timeout=10.0).raise_for_status()

    send = Send("WeatherAgent/run", "What is the weather in Lisbon?")
    outcome, _ = run(made(send, *ended(), AskBehindItsBack(), expect=(ModelSpans(),)), stack)
    shown = {check.what: check for check in outcome.checks}
    assert not shown["chat spans recorded = requests to the LLM"].ok
    assert shown["status shown"].ok
    answers = shown["LLM answers and tokens shown"]
    assert (answers.expected[0], answers.observed[0], answers.ok) == ("3", "2", False)


def test_an_order_that_is_not_so_is_seen(stack: Stack) -> None:
    send = [
        Send("ChatAgent/{key}/message", "My name is Ada.", "one"),
        Send("ChatAgent/{key}/message", "My name is Bob.", "two"),
    ]
    expect = (Completed("one", "two"), Completed("two", "one"))
    outcome, _ = run(made(*send, *ended("one", "two"), expect=expect, shows="one"), stack)
    assert [c.ok for c in own(outcome)] == [True, False]


def test_a_side_effect_that_restate_did_not_cause_is_counted(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts come from the tools themselves, so what happens behind Restate's back shows."""

    class Sneak:
        def __str__(self) -> str:
            return "act behind Restate's back"

        def play(self, world: Any) -> None:
            monkeypatch.setitem(os.environ, "PLAYHEAD_EFFECTS", str(stack.effects_file))
            record("get_weather", city="Lisbon")

    send = Send("WeatherAgent/run", "What is the weather in Lisbon?")
    outcome, _ = run(made(send, *ended(), Sneak(), expect=(Acted("get_weather", 1),)), stack)
    assert [(c.ok, c.observed) for c in own(outcome)] == [(False, "2")]


def test_what_does_not_come_about_ends_the_scenario(stack: Stack) -> None:
    send = Send("WeatherAgent/run", "What is the weather in Lisbon?")
    scenario = made(send, Is("paused", seconds=0.5), expect=(Status("succeeded"),))
    outcome, said = run(scenario, stack)
    assert not own(outcome)[0].ok
    assert own(outcome)[0].observed == "wait until run is paused: not within 0.5 s"
    assert len(own(outcome)) == 2
    assert any("stopped: wait until run is paused" in line for line in said)


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (Send("NoSuchAgent/run", "Hello?"), "404"),
        (Send("WeatherAgent/run", "Hello?", delay="soon"), "400"),
        (Decide(True), "nobody was asked"),
        (Cancel("other"), "no request called 'other'"),
        (Tried(1, "other"), "no request called 'other'"),
        (Happened("nothing", seconds=0.2), "not within 0.2 s"),
    ],
)
def test_an_action_that_cannot_be_done_says_why(action: Any, why: str, stack: Stack) -> None:
    outcome, _ = run(made(action, expect=()), stack)
    assert [c.ok for c in own(outcome)] == [False]
    assert why in own(outcome)[0].observed


def test_a_child_that_never_comes_is_not_waited_for_for_ever(stack: Stack) -> None:
    send = Send("WeatherAgent/run", "What is the weather in Lisbon?")
    child = Child("MotorDesk", "motor", seconds=0.3)
    outcome, _ = run(made(send, child, expect=()), stack)
    assert own(outcome)[0].observed == "run calls MotorDesk: not within 0.3 s"
