"""Docs, catalog and services agree; names are unique; model selection; faults and effects."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
from playhead_samples import agent_model as model
from playhead_samples import app, effects
from playhead_samples import sample_requests as catalog
from playhead_samples import tool_faults as faults
from playhead_samples.llm import rules, script
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.wrapper import WrapperModel
from restate.exceptions import TerminalError

CURL = re.compile(r"localhost:8080/(?!restate/)([\w/-]+)")
SUPPORT = {"bank_account", "bank_loan"}
"""Parts of an agent; they have no request of their own."""


@pytest.fixture(scope="module")
def handlers() -> dict[str, set[str]]:
    return {service.name: set(service.handlers) for service in app.services()}


def test_every_agent_has_an_example_and_the_other_way_round() -> None:
    assert {e.module for e in catalog.EXAMPLES} == set(app.names()) - SUPPORT


def test_examples_name_handlers_that_exist(handlers: dict[str, set[str]]) -> None:
    for shown in catalog.EXAMPLES:
        assert shown.handler in handlers[shown.service], shown.name
    assert len({e.name for e in catalog.EXAMPLES}) == len(catalog.EXAMPLES)


@pytest.mark.parametrize("name", sorted(set(app.names()) - SUPPORT))
def test_docstring_shows_requests_that_exist(name: str, handlers: dict[str, set[str]]) -> None:
    doc = importlib.import_module(f"playhead_samples.agents.{name}").__doc__ or ""
    assert "Shows:" in doc or name == "error_handling"
    paths = CURL.findall(doc)
    assert paths, "no curl line"
    for path in paths:
        parts = path.removesuffix("/send").split("/")
        assert parts[-1] in handlers[parts[0]], path


def test_unknown_example_names_those_there_are() -> None:
    with pytest.raises(KeyError, match="there are weather, chat"):
        catalog.example("wether")


def test_path_holds_the_key_of_an_object() -> None:
    assert catalog.example("chat").path == "/ChatAgent/ada/message"
    assert catalog.example("weather").path == "/WeatherAgent/run"
    assert catalog.example("weather").shows.startswith("Durable weather agent")


def test_every_script_is_reached_by_one_prompt_alone() -> None:
    rules.load()
    known = {r.agent: r.marker for r in script.rules()}
    assert set(known) >= {name for e in catalog.EXAMPLES for name in e.models}
    for marker in known.values():
        assert sum(marker in other for other in known.values()) == 1


@pytest.mark.parametrize(
    ("chosen", "kind", "sdk"),
    [
        (None, "OpenAIChatModel", "gpt-local"),
        ("openai:gpt-5-mini", "OpenAIResponsesModel", "gpt-5-mini"),
        ("openai-chat:gpt-5-mini", "OpenAIChatModel", "gpt-5-mini"),
        ("test", "TestModel", ""),
    ],
)
def test_model_is_the_one_chosen_and_never_retries_by_itself(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, kind: str, sdk: str
) -> None:
    model.agent_model.cache_clear()
    model.openai_client.cache_clear()
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    monkeypatch.setenv("PLAYHEAD_LLM_URL", "http://127.0.0.1:1/")
    if chosen:
        monkeypatch.setenv("PLAYHEAD_MODEL", chosen)
    made = model.agent_model()
    assert isinstance(made, WrapperModel)
    inner = made.wrapped
    assert type(inner).__name__ == kind
    assert model.agents_sdk_model() == sdk
    if isinstance(inner, OpenAIChatModel | OpenAIResponsesModel):
        assert inner.client.max_retries == 0
        local = str(inner.client.base_url) == "http://127.0.0.1:1/v1/"
        assert local is (chosen is None)
    model.agent_model.cache_clear()
    model.openai_client.cache_clear()


async def test_faults_are_counted_across_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "faults.json"
    monkeypatch.setenv(faults.VARIABLE, str(path))
    monkeypatch.setenv(effects.VARIABLE, str(tmp_path / "effects"))
    await effects.act("pay", amount=1)  # nothing is declared: nothing fails
    faults.declare(
        path,
        [
            faults.Fault("pay", "raise", call=[1, 2], match='"amount": 7'),
            faults.Fault("pay", "terminal", call=3, match='"amount": 7', when="after"),
        ],
    )
    await effects.act("pay", amount=1)
    for _ in range(2):
        with pytest.raises(faults.ToolFailure, match="pay is down"):
            await effects.act("pay", amount=7)
    # Another process would find the same count, which lies beside the file.
    lines = path.with_name("faults.json.calls").read_text().splitlines()
    assert [json.loads(json.loads(line)[1])["amount"] for line in lines] == [1, 7, 7]
    with pytest.raises(TerminalError, match="refuses for good"):
        await effects.act("pay", amount=7)
    await effects.act("pay", amount=7)
    found = [e.details["amount"] for e in effects.read(tmp_path / "effects")]
    assert found == [1, 1, 7, 7]
    assert effects.count(tmp_path / "effects", "pay", amount=7) == 2


async def test_lifted_faults_strike_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "faults.json"
    monkeypatch.setenv(faults.VARIABLE, str(path))
    faults.declare(path, [faults.Fault("pay", "raise")])
    with pytest.raises(faults.ToolFailure):
        await effects.act("pay")
    faults.declare(path, [])
    await effects.act("pay")
