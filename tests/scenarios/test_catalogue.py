"""Every scenario is written in a way that can be played and understood."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playhead_samples.app import services
from playhead_samples.llm import rules, script
from playhead_samples.scenarios import docs
from playhead_samples.scenarios import registry as catalogue
from playhead_samples.scenarios.expectations import Acted, ActedInOrder, Asked
from playhead_samples.scenarios.requests import Child, Send
from playhead_samples.scenarios.scenario import Scenario
from playhead_samples.scenarios.warm import USED

ALL = list(catalogue.everything().values())
NAMES = ("name", "of", "one", "other", "names")


@pytest.fixture(params=ALL, ids=lambda s: s.name)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return request.param


def test_there_are_enough_and_no_two_of_one_name() -> None:
    listed = [s.name for _, scenarios in catalogue.families() for s in scenarios]
    assert len(listed) >= 24
    assert len(listed) == len(set(listed)) == len(ALL)


def test_it_says_what_breaks_what_restate_does_and_where_to_look(scenario: Scenario) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", scenario.name)
    assert not scenario.title.endswith(".")
    for text in (scenario.breaks, scenario.restate, scenario.look):
        assert text.endswith("."), text


def test_it_is_held_against_something_independent(scenario: Scenario) -> None:
    assert any(isinstance(e, Acted | ActedInOrder | Asked) for e in scenario.expect)


def test_it_speaks_only_of_requests_that_it_sends(scenario: Scenario) -> None:
    known: set[str] = set()
    for action in scenario.actions:
        match action:
            case Send(name=name):
                known.add(name)
            case Child(name=name, of=of):
                assert of in known
                known.add(name)
            case _:
                assert set(_named(action)) <= known, action
    for expectation in scenario.expect:
        assert set(_named(expectation)) <= known, expectation
    assert scenario.shows in known


def test_its_requests_go_to_handlers_that_exist(scenario: Scenario) -> None:
    handlers = {
        f"{service.name}/{handler}" for service in services(USED) for handler in service.handlers
    }
    for action in scenario.actions:
        if isinstance(action, Send):
            service, *_, handler = action.path.split("/")
            assert f"{service}/{handler}" in handlers


def test_its_faults_of_the_model_are_for_agents_that_exist(scenario: Scenario) -> None:
    rules.load()
    agents = {rule.agent for rule in script.rules()} | {None}
    assert {fault.agent for fault in scenario.model} <= agents


def test_the_nearest_names_are_offered() -> None:
    with pytest.raises(catalogue.UnknownScenarioError) as found:
        catalogue.find("llm-rate-limit")
    assert found.value.near[0] == "llm-rate-limited"
    with pytest.raises(catalogue.UnknownScenarioError) as found:
        catalogue.find("zzzzzzzzzzzz")
    assert found.value.near == []


def test_the_page_has_every_scenario_step_by_step() -> None:
    page = docs.page()
    for scenario in ALL:
        section = page.split(f"### {scenario.name}\n", 1)[1].split("\n### ", 1)[0]
        for text in (scenario.breaks, scenario.restate, scenario.look):
            assert text in section
        for action in scenario.actions:
            assert str(action) in section


def _named(data: Any) -> Iterator[str]:
    for field in dataclasses.fields(data):
        value = getattr(data, field.name)
        if field.name in NAMES:
            yield from value if isinstance(value, tuple) else (value,)
