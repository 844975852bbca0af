"""The model that the environment variables choose for the sample agents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playhead_samples import agent_model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.wrapper import WrapperModel


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    _clear()
    yield
    _clear()


def _clear() -> None:
    agent_model.agent_model.cache_clear()
    agent_model.openai_client.cache_clear()


@pytest.mark.parametrize(
    ("name", "kind", "sdk"),
    [
        (None, "OpenAIChatModel", "gpt-local"),
        ("openai:gpt-5-mini", "OpenAIResponsesModel", "gpt-5-mini"),
        ("openai-chat:gpt-5-mini", "OpenAIChatModel", "gpt-5-mini"),
        ("test", "TestModel", ""),
    ],
)
def test_model_is_the_chosen_one_and_its_client_does_not_retry(
    monkeypatch: pytest.MonkeyPatch, name: str | None, kind: str, sdk: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    monkeypatch.setenv("PLAYHEAD_LLM_URL", "http://127.0.0.1:1/")
    if name:
        monkeypatch.setenv("PLAYHEAD_MODEL", name)
    model = agent_model.agent_model()
    assert isinstance(model, WrapperModel)
    inner = model.wrapped
    assert type(inner).__name__ == kind
    assert agent_model.agents_sdk_model() == sdk
    if isinstance(inner, OpenAIChatModel | OpenAIResponsesModel):
        assert inner.client.max_retries == 0
        local = str(inner.client.base_url) == "http://127.0.0.1:1/v1/"
        assert local is (name is None)
