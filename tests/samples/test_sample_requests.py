"""Sample requests, docstrings and services agree; every agent's prompt has exactly one rule."""

from __future__ import annotations

import importlib
import re

import pytest
from playhead_samples import app
from playhead_samples.llm import rules, script
from playhead_samples.sample_requests import EXAMPLES, example

CURL = re.compile(r"localhost:8080/(?!restate/)([\w/-]+)")
PARTS = {"bank_account", "bank_loan"}
"""Parts of the bank agent; they have no request of their own."""


@pytest.fixture(scope="module")
def handlers() -> dict[str, set[str]]:
    return {service.name: set(service.handlers) for service in app.services()}


def test_every_agent_has_an_example_and_every_example_an_agent() -> None:
    assert {e.module for e in EXAMPLES} == set(app.names()) - PARTS


def test_examples_name_existing_handlers(handlers: dict[str, set[str]]) -> None:
    for shown in EXAMPLES:
        assert shown.handler in handlers[shown.service], shown.name
    assert len({e.name for e in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("name", sorted(set(app.names()) - PARTS))
def test_docstring_shows_requests_to_existing_handlers(
    name: str, handlers: dict[str, set[str]]
) -> None:
    doc = importlib.import_module(f"playhead_samples.agents.{name}").__doc__ or ""
    assert "Shows:" in doc or name == "error_handling"
    paths = CURL.findall(doc)
    assert paths, "the docstring has no curl line"
    for path in paths:
        parts = path.removesuffix("/send").split("/")
        assert parts[-1] in handlers[parts[0]], path


def test_unknown_example_lists_all_names() -> None:
    with pytest.raises(KeyError, match="choose from weather, chat"):
        example("wether")


def test_path_contains_the_key_of_an_object() -> None:
    assert example("chat").path == "/ChatAgent/ada/message"
    assert example("weather").path == "/WeatherAgent/run"
    assert example("weather").shows.startswith("Durable weather agent")


def test_every_rule_matches_exactly_one_prompt() -> None:
    rules.load()
    markers = {r.agent: r.marker for r in script.rules()}
    assert set(markers) >= {name for e in EXAMPLES for name in e.models}
    for marker in markers.values():
        assert sum(marker in other for other in markers.values()) == 1
