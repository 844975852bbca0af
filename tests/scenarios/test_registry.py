"""Every scenario is complete, consistent, and documented."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playhead_samples.app import services
from playhead_samples.llm import rules, script
from playhead_samples.scenarios import docs, registry
from playhead_samples.scenarios.actions import FindChild, RestartAsNew, Send
from playhead_samples.scenarios.expectations import LlmRequests, SideEffectOrder, SideEffects
from playhead_samples.scenarios.scenario import Scenario
from playhead_samples.scenarios.testbed.fork_server import SERVED

ALL = list(registry.all_scenarios().values())
REFERENCES = ("name", "of", "first", "second", "names")
"""Fields of actions and expectations that refer to requests."""


@pytest.fixture(params=ALL, ids=lambda s: s.name)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return request.param


def test_names_are_unique() -> None:
    listed = [s.name for _, scenarios in registry.families() for s in scenarios]
    assert len(listed) >= 24
    assert len(listed) == len(set(listed)) == len(ALL)


def test_texts_are_complete(scenario: Scenario) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", scenario.name)
    assert not scenario.title.endswith(".")
    for text in (scenario.failure, scenario.behavior, scenario.look_at):
        assert text.endswith("."), text


def test_a_count_that_does_not_come_from_playhead_is_checked(scenario: Scenario) -> None:
    assert any(
        isinstance(e, SideEffects | SideEffectOrder | LlmRequests) for e in scenario.expectations
    )


def test_actions_and_expectations_refer_to_requests_that_are_sent(scenario: Scenario) -> None:
    sent: set[str] = set()
    for action in scenario.actions:
        match action:
            case Send(name=name):
                sent.add(name)
            case FindChild(name=name, of=of):
                assert of in sent
                sent.add(name)
            case RestartAsNew(new=new, name=name):
                assert name in sent
                sent.add(new)
            case _:
                assert set(_references(action)) <= sent, action
    for expectation in scenario.expectations:
        assert set(_references(expectation)) <= sent, expectation
    assert scenario.main_invocation in sent


def test_requests_go_to_existing_handlers(scenario: Scenario) -> None:
    handlers = {
        f"{service.name}/{handler}" for service in services(SERVED) for handler in service.handlers
    }
    for action in scenario.actions:
        if isinstance(action, Send):
            service, *_, handler = action.path.split("/")
            assert f"{service}/{handler}" in handlers


def test_llm_faults_are_for_existing_agents(scenario: Scenario) -> None:
    rules.load()
    agents = {rule.agent for rule in script.rules()} | {None}
    assert {fault.agent for fault in scenario.llm_faults} <= agents


def test_unknown_name_suggests_similar_names() -> None:
    with pytest.raises(registry.UnknownScenarioError) as found:
        registry.find("llm-rate-limit")
    assert found.value.similar[0] == "llm-rate-limited"
    with pytest.raises(registry.UnknownScenarioError) as found:
        registry.find("zzzzzzzzzzzz")
    assert found.value.similar == []


def test_page_documents_every_scenario_with_its_steps() -> None:
    page = docs.page()
    for scenario in ALL:
        section = page.split(f"### {scenario.name}\n", 1)[1].split("\n### ", 1)[0]
        for text in (scenario.failure, scenario.behavior, scenario.look_at):
            assert text in section
        for action in scenario.actions:
            step = str(action)
            assert step[0].upper() + step[1:] in section


def _references(data: Any) -> Iterator[str]:
    for field in dataclasses.fields(data):
        value = getattr(data, field.name)
        if field.name in REFERENCES:
            yield from value if isinstance(value, tuple) else (value,)
